/* How many events after a place in the log a sink is to get, and the time of the oldest, by detector. */
SELECT
  detector,
  count(*) AS events,
  min("at") AS oldest
FROM findings
WHERE
  event_number > $after
  AND list_contains($events, event)
  AND list_contains($severities, severity)
  AND ($muted OR until IS NULL OR event = 'muted')
GROUP BY detector
