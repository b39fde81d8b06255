/*
Every event of every finding, with the finding as it stands after it; `opened_at` is when it was first opened.
`event_number` orders all events, `seq` those of one finding.
*/
SELECT
  event.event_number,
  event.event,
  event."at",
  event.seq,
  (SELECT min(first."at") FROM findings AS first WHERE first.id = event.id) AS opened_at,
  event.id,
  event.detector,
  event.severity,
  event.state,
  event.sentence,
  event.key,
  event.first_seen_ever AS first_seen,
  event.last_seen_ever AS last_seen,
  event.total_flows AS flows,
  event.total_bytes AS bytes,
  event.evidence,
  event.title,
  event.until,
  event.owner,
  event.reason
FROM findings AS event
