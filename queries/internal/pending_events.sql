/* How many events after a place in the log a sink is to get (see due_events), and the time of the oldest, by detector and account. */
SELECT
  detector,
  CASE WHEN json_valid(evidence) THEN evidence ->> '$.account_id' END AS account_id,
  count(*) AS events,
  min("at") AS oldest
FROM findings AS event
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
GROUP BY ALL
