/* Events by their numbers. */
SELECT * FROM finding_events WHERE list_contains($numbers, event_number) ORDER BY event_number
