/*
Every SageMaker resource with the spans in which it was as described: `valid_from` (in it) to `valid_to` (not in it;
null: it still is so). The first span begins when somebody last looked and it was not there, at the earliest when it
was created; where nobody had looked, when it was created.
*/
SELECT * EXCLUDE (observed_at, not_before, present)
FROM (
  SELECT
    *,
    CASE WHEN lag(observed_at) OVER history IS NULL
      THEN coalesce(created_at, not_before, TIMESTAMPTZ '1970-01-01 00:00:00+00') ELSE observed_at END AS valid_from,
    lead(observed_at) OVER history AS valid_to
  FROM workloads
  WINDOW history AS (PARTITION BY arn ORDER BY observed_at)
) AS observed
WHERE present
