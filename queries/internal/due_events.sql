/*
The next events after a place in the log that a sink is to get, in the order of the log. An end of a finding also goes to
a sink that got its beginning, when its detector's severity has been lowered in between.
*/
SELECT *
FROM finding_events AS event
WHERE
  event_number > $after
  AND list_contains($events, event.event)
  AND (
    list_contains($severities, severity)
    OR (
      event.event = 'resolved'
      AND EXISTS (
        SELECT 1 FROM findings AS before WHERE before.id = event.id AND list_contains($severities, before.severity)
      )
    )
  )
  AND ($muted OR until IS NULL OR event.event = 'muted')
ORDER BY event_number
LIMIT $most
