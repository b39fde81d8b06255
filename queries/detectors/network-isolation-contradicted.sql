/*---
title = "Workload in network isolation has traffic of its own"
severity = "high"
attack = ["T1048"]
every = "1m"
window = "1h"
key = ["workload_arn"]
needs = ["interface_id", "srcaddr", "dstaddr", "start_time", "action", "traffic_path"]
says = "{workload} is in network isolation and sent {bytes} to {remotes:address|addresses} by {paths} from {first_seen} to {last_seen}"

[params]
# What SageMaker itself does for an isolated workload: its data from and to S3, its image, logs and metrics. AMAZON holds
# the public addresses of CloudWatch, where the VPC has no endpoint for it. Endpoints by their names after the region.
platform_services = ["S3", "AMAZON"]
platform_paths = ["gateway_endpoint"]
platform_endpoints = ["s3", "logs", "monitoring", "kms", "ecr"]
# Where the way is not known nothing is contradicted: see path-undecided.
undecided_paths = ["unknown", "blackhole"]
top = 10
---*/
/*
What it means: a job or a model is to run with EnableNetworkIsolation, so its container has no network and only
SageMaker's own interface remains, for S3 and logs. Its interfaces spoke to somebody else nevertheless.

What to do: compare the workload (DescribeTrainingJob, DescribeModel …) with what runs: was the setting on when it began,
and is the interface really its own (`attribution` in interface_workloads)? Then look at top_remotes. If it holds, tell
AWS Support; isolation is theirs to keep.

Blind spots: needs the inventory, for the setting and for whose interface it is. Traffic to S3 and to AWS's catch-all
AMAZON is taken for SageMaker's own, over whichever way, as are interface endpoints that the inventory does not know;
so a container that speaks to other AWS services over the internet is not seen. Nodes of one job may talk to each other.
*/
WITH remotes AS (
  SELECT
    workload_arn,
    interface_id,
    remote_addr,
    remote_port,
    path,
    min(start_time) AS first_seen,
    max(coalesce(end_time, start_time)) AS last_seen,
    count(*) AS flows,
    CAST(sum(coalesce(bytes, 0)) AS BIGINT) AS bytes,
    max(account_id) AS account_id,
    max(own_vpc_id) AS vpc_id,
    max(own_region) AS region,
    max(workload_kind) AS workload_kind,
    max(workload) AS workload,
    max(remote_service) AS remote_service
  FROM workload_egress
  WHERE start_time >= $since
    AND start_time < $until
    AND action = 'ACCEPT'
    AND workload_arn IS NOT NULL
    AND NOT list_contains($platform_paths, path)
    AND NOT list_contains($undecided_paths, path)
    AND NOT list_contains($platform_services, coalesce(remote_service, ''))
  GROUP BY workload_arn, interface_id, remote_addr, remote_port, path
),
-- Whether each remote is an endpoint that is known, and one for something else than the platform's.
others AS (
  SELECT remotes.interface_id, remotes.remote_addr
  FROM remotes
  JOIN endpoints
    ON endpoints.vpc_id = remotes.vpc_id
    AND list_contains(endpoints.addresses, remotes.remote_addr)
    AND remotes.last_seen >= endpoints.valid_from
    AND (endpoints.valid_to IS NULL OR remotes.first_seen < endpoints.valid_to)
  WHERE NOT list_contains(
    $platform_endpoints, split_part(split_part(endpoints.service, concat(endpoints.region, '.'), 2), '.', 1)
  )
),
ranked AS (
  SELECT
    remotes.*,
    row_number() OVER (
      PARTITION BY workload_arn ORDER BY bytes DESC, flows DESC, interface_id, remote_addr, remote_port, path
    ) AS place
  FROM remotes
  WHERE EXISTS (SELECT 1 FROM isolated_workloads AS isolated WHERE isolated.workload_arn = remotes.workload_arn)
    AND (
      path <> 'interface_endpoint'
      OR EXISTS (
        SELECT 1
        FROM others
        WHERE others.interface_id = remotes.interface_id AND others.remote_addr = remotes.remote_addr
      )
    )
    AND NOT EXISTS (
      SELECT 1
      FROM workload_addresses AS own
      WHERE own.workload_arn = remotes.workload_arn AND own.address = remotes.remote_addr
    )
)
SELECT
  workload_arn,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen,
  CAST(sum(flows) AS BIGINT) AS flows,
  CAST(sum(bytes) AS BIGINT) AS bytes,
  max(account_id) AS account_id,
  max(vpc_id) AS vpc_id,
  max(region) AS region,
  max(workload_kind) AS workload_kind,
  max(workload) AS workload,
  list(DISTINCT interface_id) AS interfaces,
  list(DISTINCT path) AS paths,
  count(DISTINCT remote_addr) AS remotes,
  list(DISTINCT remote_service) FILTER (WHERE remote_service IS NOT NULL) AS services,
  list(struct_pack(
    address := CAST(remote_addr AS VARCHAR),
    port := CAST(remote_port AS INTEGER),
    bytes := CAST(bytes AS BIGINT),
    flows := CAST(flows AS BIGINT)
  )) FILTER (WHERE place <= $top) AS top_remotes
FROM ranked
GROUP BY workload_arn
