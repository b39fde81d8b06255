/*
Workloads that are to run in network isolation: by their own setting, or because every model that they run has it (an
endpoint's, a transform job's). As each was when last looked at: jobs and models never change.
*/
WITH RECURSIVE newest AS (
  SELECT
    arn,
    max_by(network_isolation, observed_at) AS network_isolation,
    max_by(uses, observed_at) AS uses
  FROM workloads
  GROUP BY arn
),
used AS (
  SELECT arn AS workload_arn, arn, network_isolation, uses
  FROM newest
  UNION
  SELECT used.workload_arn, newest.arn, newest.network_isolation, newest.uses
  FROM used
  JOIN newest ON list_contains(used.uses, newest.arn)
)
SELECT workload_arn
FROM used
WHERE network_isolation IS NOT NULL
GROUP BY workload_arn
HAVING bool_and(network_isolation)
