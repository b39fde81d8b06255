/* The newest event of each finding that is open, or was resolved since a time. */
SELECT finding_events.*
FROM finding_events
JOIN (SELECT id, max(seq) AS seq FROM findings GROUP BY id) AS newest
  ON newest.id = finding_events.id AND newest.seq = finding_events.seq
WHERE
  list_contains($severities, severity)
  AND (state = 'open' OR (state = 'resolved' AND "at" >= $resolved_since) OR ($muted AND state = 'muted'))
ORDER BY event_number
