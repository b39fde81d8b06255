/*
Every address that a workload was to be found at, and when. `family_arn` is the ARN of what it is a part of, where it is
(a Studio domain for its apps, a tuning job for its training jobs), else its own: what belongs together.
*/
SELECT
  history.interface_id,
  history.vpc_id,
  each_one.address,
  whose.workload_kind,
  whose.workload,
  whose.workload_arn,
  coalesce(whole.parent, whose.workload_arn) AS family_arn,
  greatest(history.valid_from, whose.valid_from) AS valid_from,
  least(history.valid_to, whose.valid_to) AS valid_to
FROM interface_history AS history
JOIN interface_workloads AS whose
  ON whose.interface_id = history.interface_id
  AND whose.workload_arn IS NOT NULL
  AND (whose.valid_to IS NULL OR history.valid_from < whose.valid_to)
  AND (history.valid_to IS NULL OR whose.valid_from < history.valid_to)
LEFT JOIN (SELECT arn, max(parent) AS parent FROM workloads GROUP BY arn) AS whole ON whole.arn = whose.workload_arn,
unnest(list_concat(history.private_addresses, history.ipv6_addresses)) AS each_one(address)
