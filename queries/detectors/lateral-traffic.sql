/*---
title = "Traffic between different workloads"
severity = "medium"
attack = ["T1021"]
every = "1m"
window = "1h"
key = ["workload_arn", "other_workload_arn"]
needs = ["interface_id", "srcaddr", "dstaddr", "start_time", "action"]
says = "{workload} and {other_workload} exchanged {bytes} in {flows:flow|flows} from {first_seen} to {last_seen}"

[params]
top = 10
---*/
/*
What it means: interfaces of two different SageMaker workloads of one VPC exchanged data. Jobs and endpoints have no
business with each other: they meet in S3. Somebody may be moving on from one to the next. Nodes of one job, copies of
one endpoint and the apps of one Studio domain belong together and are not reported.

What to do: find out which of the two called (see the ports in top_remotes, and the view `flows`) and why. Then give each
kind of workload a security group of its own that admits only its own members.

Blind spots: the inventory has to know both interfaces and whose they are; where a workload is in doubt (`candidates` in
interface_workloads) its traffic is not in here. Traffic between VPCs is not, and what containers of one instance say to
each other no flow log has. `bytes` are those of both, each counted where it was sent.
*/
WITH talks AS (
  SELECT
    CASE WHEN here.family_arn < there.family_arn THEN here.family_arn ELSE there.family_arn END AS workload_arn,
    CASE WHEN here.family_arn < there.family_arn THEN there.family_arn ELSE here.family_arn END AS other_workload_arn,
    CASE WHEN here.family_arn < there.family_arn THEN here.workload_kind ELSE there.workload_kind END AS workload_kind,
    CASE WHEN here.family_arn < there.family_arn THEN here.workload ELSE there.workload END AS workload,
    CASE WHEN here.family_arn < there.family_arn THEN there.workload ELSE here.workload END AS other_workload,
    egress.interface_id,
    egress.remote_addr,
    egress.remote_port,
    min(egress.start_time) AS first_seen,
    max(coalesce(egress.end_time, egress.start_time)) AS last_seen,
    count(*) AS flows,
    CAST(sum(coalesce(egress.bytes, 0)) AS BIGINT) AS bytes,
    max(egress.account_id) AS account_id,
    max(here.vpc_id) AS vpc_id,
    max(egress.region) AS region,
    max(egress.path) AS path
  FROM egress
  JOIN workload_addresses AS here
    ON here.interface_id = egress.interface_id
    AND here.address = egress.local_addr
    AND egress.start_time >= here.valid_from
    AND (here.valid_to IS NULL OR egress.start_time < here.valid_to)
  JOIN workload_addresses AS there
    ON there.address = egress.remote_addr
    AND there.vpc_id = here.vpc_id
    AND egress.start_time >= there.valid_from
    AND (there.valid_to IS NULL OR egress.start_time < there.valid_to)
  WHERE egress.start_time >= $since
    AND egress.start_time < $until
    AND egress.action = 'ACCEPT'
    AND here.family_arn <> there.family_arn
  GROUP BY
    here.family_arn, here.workload_kind, here.workload, there.family_arn, there.workload_kind, there.workload,
    egress.interface_id, egress.remote_addr, egress.remote_port
),
ranked AS (
  SELECT
    talks.*,
    row_number() OVER (
      PARTITION BY workload_arn, other_workload_arn
      ORDER BY bytes DESC, flows DESC, interface_id, remote_addr, remote_port
    ) AS place
  FROM talks
)
SELECT
  workload_arn,
  other_workload_arn,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen,
  CAST(sum(flows) AS BIGINT) AS flows,
  CAST(sum(bytes) AS BIGINT) AS bytes,
  max(account_id) AS account_id,
  max(vpc_id) AS vpc_id,
  max(region) AS region,
  min_by(workload_kind, first_seen) AS workload_kind,
  min_by(workload, first_seen) AS workload,
  min_by(other_workload, first_seen) AS other_workload,
  list(DISTINCT interface_id) AS interfaces,
  list(DISTINCT path) AS paths,
  list(struct_pack(
    address := CAST(remote_addr AS VARCHAR),
    port := CAST(remote_port AS INTEGER),
    bytes := CAST(bytes AS BIGINT),
    flows := CAST(flows AS BIGINT)
  )) FILTER (WHERE place <= $top) AS top_remotes
FROM ranked
GROUP BY workload_arn, other_workload_arn
