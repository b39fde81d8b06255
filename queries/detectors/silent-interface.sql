/*---
title = "A running workload's interface has fallen silent"
severity = "medium"
attack = ["T1562.008"]
every = "1m"
window = "1h"
key = ["interface_id"]
needs = ["interface_id", "start_time", "log_status"]
says = "{interface_id} of {workload} has no record from {first_seen} to {last_seen}, while {others:other interface|other interfaces} of its flow log had some"

[params]
# How much of the window the flow log's other interfaces must have records of: until then the silent one may be late.
least_seconds = 3000
# What a flow log has to record for silence to mean something: of one kind of traffic there may be none all day.
traffic_types = ["ALL"]
---*/
/*
What it means: an interface of a workload that ran all the time has not one record, not even NODATA, for a whole hour,
while other interfaces of the same flow log have. An idle interface writes NODATA. So its records are lost, late, or
turned off, and nothing that other detectors say covers it.

What to do: look at the flow log (`flow_log_id`: status, DeliverLogsStatus, filter) and at the bucket's policy; see
whether objects were quarantined or skipped (`objects`), and whether the interface is still there. When the records
come, the finding resolves.

Blind spots: needs the inventory (interface, workload, flow log), and keys that name the flow log (AWS's own layout). An
interface that was made within the hour, one whose beginning nobody knows, and a flow log that is silent altogether are
not in here. `flows` counts silent hours.
*/
WITH watched AS (
  SELECT
    flow_log_id,
    interface_id,
    min(start_time) AS first_record,
    max(coalesce(end_time, start_time)) AS last_record
  FROM flows
  WHERE start_time >= $since
    AND start_time < $until
    AND interface_id IS NOT NULL
  GROUP BY flow_log_id, interface_id
),
working AS (
  SELECT flow_log_id, count(*) AS others, max(last_record) AS last_record
  FROM watched
  WHERE flow_log_id IS NOT NULL
  GROUP BY flow_log_id
  HAVING epoch(max(last_record)) - epoch(min(first_record)) >= $least_seconds
),
-- Interfaces that were there and in use for the whole window, as far as somebody knows since when.
standing AS (
  SELECT DISTINCT
    history.interface_id,
    history.account_id,
    history.region,
    history.vpc_id,
    history.subnet_id,
    whose.workload_kind,
    whose.workload,
    whose.workload_arn
  FROM interface_history AS history
  JOIN interface_workloads AS whose
    ON whose.interface_id = history.interface_id
    AND whose.valid_from <= $since
    AND (whose.valid_to IS NULL OR whose.valid_to >= $until)
  JOIN workload_history AS running
    ON running.arn = whose.workload_arn
    AND running.running
    AND running.valid_from <= $since
    AND (running.valid_to IS NULL OR running.valid_to >= $until)
  WHERE history.status = 'in-use'
    AND history.valid_from <= $since
    AND (history.valid_to IS NULL OR history.valid_to >= $until)
    AND history.attached_at <= $since
)
SELECT
  standing.interface_id,
  CAST($since AS TIMESTAMPTZ) AS first_seen,
  max(working.last_record) AS last_seen,
  CAST(1 AS BIGINT) AS flows,
  CAST(0 AS BIGINT) AS bytes,
  max(standing.account_id) AS account_id,
  max(standing.vpc_id) AS vpc_id,
  max(standing.subnet_id) AS subnet_id,
  max(standing.region) AS region,
  max(standing.workload_kind) AS workload_kind,
  max(standing.workload) AS workload,
  max(standing.workload_arn) AS workload_arn,
  max(working.flow_log_id) AS flow_log_id,
  CAST(sum(working.others) AS BIGINT) AS others
FROM standing
JOIN flow_logs
  ON flow_logs.resource_id IN (standing.vpc_id, standing.subnet_id, standing.interface_id)
  AND flow_logs.status = 'ACTIVE'
  AND list_contains($traffic_types, flow_logs.traffic_type)
  AND flow_logs.valid_from <= $since
  AND (flow_logs.valid_to IS NULL OR flow_logs.valid_to >= $until)
JOIN working ON working.flow_log_id = flow_logs.flow_log_id
WHERE NOT EXISTS (SELECT 1 FROM watched WHERE watched.interface_id = standing.interface_id)
GROUP BY standing.interface_id
