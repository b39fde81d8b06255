/* The next events after a place in the log that a sink is to get, in the order of the log. */
SELECT *
FROM finding_events
WHERE
  event_number > $after
  AND list_contains($events, event)
  AND list_contains($severities, severity)
  AND ($muted OR until IS NULL OR event = 'muted')
ORDER BY event_number
LIMIT $most
