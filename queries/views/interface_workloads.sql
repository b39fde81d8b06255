/*
Whose an interface was, and when: one row an interface and workload, `valid_from` (in it) to `valid_to` (not in it;
null: no end). An interface belongs to one workload for its life, so what was found out late holds from the beginning.
Where several workloads would fit, `workload` is null and `candidates` names them. Interfaces that are not known to be
SageMaker's are not among these.
*/
WITH told AS (
  SELECT
    *,
    lag(workload_arn) OVER history AS arn_before,  -- what was not known in between changes nothing
    max(workload_arn) OVER (PARTITION BY interface_id) IS NOT NULL AS is_known
  FROM interfaces
  WHERE owner = 'sagemaker'
  WINDOW history AS (PARTITION BY interface_id, workload_arn IS NULL ORDER BY observed_at)
),
changes AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY interface_id ORDER BY observed_at) AS place
  FROM told
  WHERE (is_known AND workload_arn IS NOT NULL AND workload_arn IS DISTINCT FROM arn_before)
    OR (NOT is_known AND observed_at = (SELECT max(newest.observed_at) FROM told AS newest
                                        WHERE newest.interface_id = told.interface_id))
)
SELECT
  interface_id,
  CASE WHEN place = 1 THEN TIMESTAMPTZ '1970-01-01 00:00:00+00' ELSE observed_at END AS valid_from,
  lead(observed_at) OVER (PARTITION BY interface_id ORDER BY observed_at) AS valid_to,
  account_id,
  region,
  vpc_id,
  subnet_id,
  workload_kind,
  workload,
  workload_arn,
  attribution,
  confidence,
  evidence,
  candidates
FROM changes
