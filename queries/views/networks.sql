/*
Every VPC with the spans in which its network was as described: `valid_from` (in it) to `valid_to` (not in it; null: it
still is so). What changed did so at some time after somebody last looked; here it counts from when it was found.
*/
SELECT * EXCLUDE (observed_at, not_before, present)
FROM (
  SELECT
    *,
    CASE WHEN lag(observed_at) OVER history IS NULL AND not_before IS NULL
      THEN TIMESTAMPTZ '1970-01-01 00:00:00+00' ELSE observed_at END AS valid_from,
    lead(observed_at) OVER history AS valid_to
  FROM topology
  WINDOW history AS (PARTITION BY account_id, vpc_id ORDER BY observed_at)
) AS observed
WHERE present
