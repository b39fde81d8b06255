/*
Every finding as it stands. Of each finding and window the newest event holds; a window with no flows was withdrawn.
A finding is open while any of its windows has flows, else resolved.
*/
WITH windows AS (
  SELECT
    id,
    window_start,
    max("at") AS "at",
    max_by(detector, "at") AS detector,
    max_by(key, "at") AS key,
    max_by(severity, "at") AS severity,
    max_by(title, "at") AS title,
    max_by(first_seen, "at") AS first_seen,
    max_by(last_seen, "at") AS last_seen,
    max_by(flows, "at") AS flows,
    max_by(bytes, "at") AS bytes,
    max_by(evidence, "at") AS evidence
  FROM findings
  GROUP BY id, window_start
)
SELECT
  id,
  max_by(detector, "at") AS detector,
  max_by(severity, "at") AS severity,
  CASE WHEN sum(flows) > 0 THEN 'open' ELSE 'resolved' END AS state,
  max_by(key, "at") AS key,
  coalesce(min(first_seen) FILTER (WHERE flows > 0), min(first_seen)) AS first_seen,
  coalesce(max(last_seen) FILTER (WHERE flows > 0), max(last_seen)) AS last_seen,
  CAST(sum(flows) AS BIGINT) AS flows,
  CAST(sum(bytes) AS BIGINT) AS bytes,
  max_by(evidence, window_start) FILTER (WHERE flows > 0) AS evidence,
  max_by(title, "at") AS title,
  max("at") AS updated_at
FROM windows
GROUP BY id
