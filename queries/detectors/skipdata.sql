/*---
title = "Records were left out"
severity = "low"
attack = []
every = "1m"
window = "1h"
key = ["interface_id"]
needs = ["interface_id", "start_time", "log_status"]
says = "AWS left out records of {interface_id} in {flows:span|spans} of {seconds:second|seconds} together from {first_seen} to {last_seen}"
---*/
/*
What it means: AWS left records of this interface out of its flow log (SKIPDATA): it had no capacity at that moment, or
an error. One such record may stand for many flows. What was found of the interface at that time is a lower bound, and
that nothing was found proves nothing.

What to do: nothing on your side brings them back. If it recurs, look at what makes so many flows on the interface
(aggregation of a minute makes more records than of ten), and compare its bytes with CloudWatch's metrics of the NAT
gateway and the endpoints.

Blind spots: rejects by block public access leave no such record (VPC User Guide, "Flow log limitations"). Interfaces
that pass on others' traffic are not in here. `flows` counts records, whatever each of them stands for; `seconds` adds up
the spans that they speak of.
*/
SELECT
  skipped.interface_id,
  min(skipped.start_time) AS first_seen,
  max(coalesce(skipped.end_time, skipped.start_time)) AS last_seen,
  count(*) AS flows,
  CAST(0 AS BIGINT) AS bytes,
  max(skipped.account_id) AS account_id,
  max(skipped.vpc_id) AS vpc_id,
  max(skipped.subnet_id) AS subnet_id,
  max(coalesce(skipped.region, whose.region)) AS region,
  min_by(whose.workload_kind, skipped.start_time) AS workload_kind,
  min_by(whose.workload, skipped.start_time) AS workload,
  min_by(whose.workload_arn, skipped.start_time) AS workload_arn,
  CAST(sum(epoch(coalesce(skipped.end_time, skipped.start_time)) - epoch(skipped.start_time)) AS BIGINT) AS seconds
FROM flows AS skipped
LEFT JOIN interface_workloads AS whose
  ON whose.interface_id = skipped.interface_id
  AND skipped.start_time >= whose.valid_from
  AND (whose.valid_to IS NULL OR skipped.start_time < whose.valid_to)
WHERE skipped.start_time >= $since
  AND skipped.start_time < $until
  AND skipped.log_status = 'SKIPDATA'
  AND skipped.interface_id IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM transit_interfaces AS transit WHERE transit.interface_id = skipped.interface_id)
GROUP BY skipped.interface_id
