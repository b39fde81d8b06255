/*
Every finding as it stands. Each event carries on the sums of the one before, so a finding is its newest event; `seq`
numbers the events of a finding. Only that event's texts are fetched: the log may be long.
*/
WITH newest AS (
  SELECT
    id,
    max(seq) AS seq
  FROM findings
  GROUP BY id
)
SELECT
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
  event.reason,
  event."at" AS updated_at
FROM newest
JOIN findings AS event
  ON event.id = newest.id AND event.seq = newest.seq
