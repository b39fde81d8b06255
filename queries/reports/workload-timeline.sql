/*---
title = "What a workload did, hour by hour"

[params.workload]
kind = "workload"
help = "Its name or ARN."

[params.since]
kind = "time"
default = "-24h"
help = "From when on."

[params.until]
kind = "time"
default = "now"
help = "Until when."

[params.step]
kind = "duration"
default = "1h"
help = "How much time is one row."
---*/
/*
What it answers: when a job, endpoint or notebook sent and received how much, over which way, and in which state it was.

How to read it: in order of time, one row for each span, kind of traffic and path, each byte once over all interfaces
that were the workload's at that time; `status` rows have the moment in which a state was found.

Blind spots: traffic of interfaces that are not attributed to the workload (workload-interfaces lists those that are),
and traffic over an interface of SageMaker's own, which no flow log sees.
*/
WITH records AS (
  SELECT
    interface_id, start_time, path, remote_addr, bytes,
    CASE WHEN action = 'REJECT' THEN 'sent, rejected' ELSE 'sent' END AS what
  FROM egress
  WHERE start_time >= $since
    AND start_time < $until
  UNION ALL
  SELECT
    interface_id, start_time, path, remote_addr, bytes,
    CASE WHEN action = 'REJECT' THEN 'received, rejected' ELSE 'received' END
      AS what
  FROM ingress
  WHERE start_time >= $since
    AND start_time < $until
),
theirs AS (
  SELECT
    CAST(floor(epoch(records.start_time) / $step) AS BIGINT) AS slot,
    records.what,
    records.path,
    records.interface_id,
    records.remote_addr,
    records.bytes
  FROM records
  JOIN interface_workloads AS whose
    ON whose.interface_id = records.interface_id
    AND records.start_time >= whose.valid_from
    AND (whose.valid_to IS NULL OR records.start_time < whose.valid_to)
  WHERE whose.workload = $workload OR whose.workload_arn = $workload
)
SELECT
  to_timestamp(slot * $step) AS moment,
  what,
  path,
  CAST(NULL AS VARCHAR) AS detail,
  count(DISTINCT interface_id) AS interfaces,
  count(DISTINCT remote_addr) AS remotes,
  count(*) AS flows,
  CAST(sum(bytes) AS BIGINT) AS bytes
FROM theirs
GROUP BY slot, what, path
UNION ALL
SELECT
  valid_from AS moment,
  'status' AS what,
  CAST(NULL AS VARCHAR) AS path,
  status AS detail,
  CAST(NULL AS BIGINT) AS interfaces,
  CAST(NULL AS BIGINT) AS remotes,
  CAST(NULL AS BIGINT) AS flows,
  CAST(NULL AS BIGINT) AS bytes
FROM workload_history
WHERE (name = $workload OR arn = $workload)
  AND valid_from >= $since
  AND valid_from < $until
ORDER BY moment, what, path
