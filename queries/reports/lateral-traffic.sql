/*---
title = "Traffic between interfaces of one VPC"

[params.since]
kind = "time"
default = "-24h"
help = "From when on."

[params.until]
kind = "time"
default = "now"
help = "Until when."

[params.within]
kind = "boolean"
default = false
help = "Also traffic within one workload."
---*/
/*
What it answers: which workloads and interfaces of a VPC talk to each other.

How to read it: one row for each pair and port (the lower of the two, mostly the service's), accepted and rejected
apart. Each direction has a row of its own, counted where it was sent. Nodes of one training job talk to each other all
the time and are left out unless $within; a pair with an unknown workload is always shown.

Blind spots: the other end is known by its address, so addresses outside the inventory and outside the logs are not in
here, nor is what goes over peerings. Traffic between containers on one instance is in no flow log.
*/
WITH pairs AS (
  SELECT
    here.interface_id,
    here.workload,
    here.workload_arn,
    there.interface_id AS to_interface_id,
    theirs.workload AS to_workload,
    theirs.workload_arn AS to_workload_arn,
    here.protocol,
    CASE WHEN here.srcport < here.dstport
      THEN here.srcport ELSE here.dstport END AS port,
    here.action,
    here.start_time,
    here.bytes
  FROM workload_egress AS here
  JOIN interface_addresses AS there
    ON there.address = here.remote_addr
    AND there.interface_id <> here.interface_id
    AND coalesce(there.vpc_id, here.vpc_id, '')
      = coalesce(here.vpc_id, there.vpc_id, '')
    AND here.start_time >= there.valid_from
    AND (there.valid_to IS NULL OR here.start_time < there.valid_to)
  LEFT JOIN interface_workloads AS theirs
    ON theirs.interface_id = there.interface_id
    AND here.start_time >= theirs.valid_from
    AND (theirs.valid_to IS NULL OR here.start_time < theirs.valid_to)
  WHERE here.start_time >= $since
    AND here.start_time < $until
)
SELECT
  interface_id,
  workload,
  to_interface_id,
  to_workload,
  protocol,
  port,
  action,
  min(start_time) AS first_seen,
  max(start_time) AS last_seen,
  count(*) AS flows,
  CAST(sum(bytes) AS BIGINT) AS bytes
FROM pairs
WHERE $within
  OR workload_arn IS NULL
  OR to_workload_arn IS NULL
  OR workload_arn <> to_workload_arn
GROUP BY
  interface_id, workload, to_interface_id, to_workload, protocol, port, action
ORDER BY bytes DESC, interface_id, to_interface_id, port, action
