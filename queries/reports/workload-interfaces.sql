/*---
title = "Interfaces of a workload, and when they were its"

[params.workload]
kind = "workload"
help = "Its name or ARN."
---*/
/*
What it answers: which interfaces a job, endpoint or notebook had, when, where, and how that is known.

How to read it: one row for each interface. `valid_from` to `valid_to` is when it was the workload's (1970: as long as
it was there), `seen_until` when the inventory found it gone, empty while it is there. `attribution` and `confidence`
tell how it came to its workload; `bytes_sent` is its accepted egress.

Blind spots: interfaces that lived between two looks of the inventory and were never attributed.
*/
WITH whose AS (
  SELECT *
  FROM interface_workloads
  WHERE workload = $workload OR workload_arn = $workload
),
looks AS (
  SELECT
    interface_id,
    max_by(private_addresses, valid_from) AS addresses,
    max_by(security_groups, valid_from) AS security_groups,
    CASE WHEN count(*) = count(valid_to) THEN max(valid_to) END AS seen_until
  FROM interface_history
  GROUP BY interface_id
),
traffic AS (
  SELECT
    interface_id,
    min(start_time) AS first_record,
    max(coalesce(end_time, start_time)) AS last_record,
    CAST(sum(bytes) AS BIGINT) AS bytes_sent
  FROM egress
  WHERE action = 'ACCEPT'
  GROUP BY interface_id
)
SELECT
  whose.interface_id,
  whose.workload_kind,
  whose.workload,
  whose.subnet_id,
  looks.addresses,
  looks.security_groups,
  whose.valid_from,
  whose.valid_to,
  looks.seen_until,
  whose.attribution,
  whose.confidence,
  whose.evidence,
  traffic.first_record,
  traffic.last_record,
  coalesce(traffic.bytes_sent, 0) AS bytes_sent
FROM whose
LEFT JOIN looks ON looks.interface_id = whose.interface_id
LEFT JOIN traffic ON traffic.interface_id = whose.interface_id
ORDER BY whose.valid_from, traffic.first_record, whose.interface_id
