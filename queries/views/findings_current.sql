/*
Every finding as it stands. Of each finding and window the newest event holds; a window with no flows was withdrawn.
A finding is open while any of its windows has flows, else resolved. Its words are those of its newest event, its
evidence that of its newest window with flows. Figures are summed first and texts fetched last: the log may be long.
*/
WITH windows AS (
  SELECT
    id,
    window_start,
    max("at") AS newest_at,
    max_by(first_seen, "at") AS first_seen,
    max_by(last_seen, "at") AS last_seen,
    max_by(flows, "at") AS flows,
    max_by(bytes, "at") AS bytes
  FROM findings
  GROUP BY id, window_start
),
totals AS (
  SELECT
    id,
    coalesce(min(first_seen) FILTER (WHERE flows > 0), min(first_seen)) AS first_seen,
    coalesce(max(last_seen) FILTER (WHERE flows > 0), max(last_seen)) AS last_seen,
    CAST(sum(flows) AS BIGINT) AS flows,
    CAST(sum(bytes) AS BIGINT) AS bytes,
    max(newest_at) AS updated_at,
    max_by(window_start, newest_at) AS updated_window,
    max_by(newest_at, window_start) FILTER (WHERE flows > 0) AS evident_at,
    max(window_start) FILTER (WHERE flows > 0) AS evident_window
  FROM windows
  GROUP BY id
)
SELECT
  totals.id,
  newest.detector,
  newest.severity,
  CASE WHEN totals.flows > 0 THEN 'open' ELSE 'resolved' END AS state,
  newest.key,
  totals.first_seen,
  totals.last_seen,
  totals.flows,
  totals.bytes,
  evident.evidence,
  newest.title,
  totals.updated_at
FROM totals
JOIN findings AS newest
  ON newest.id = totals.id AND newest."at" = totals.updated_at AND newest.window_start = totals.updated_window
LEFT JOIN findings AS evident
  ON evident.id = totals.id AND evident."at" = totals.evident_at AND evident.window_start = totals.evident_window
