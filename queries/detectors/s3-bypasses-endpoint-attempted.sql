/*---
title = "Rejected attempts at S3 traffic that bypasses the VPC endpoint"
severity = "low"
attack = ["T1537", "T1567.002"]
every = "1m"
window = "1h"
key = ["interface_id", "path"]
needs = ["interface_id", "srcaddr", "dstaddr", "start_time", "action", "traffic_path", "pkt_dst_aws_service"]
says = "{interface_id} was refused {flows:flow|flows} to {remotes:address|addresses} of S3 by {path} from {first_seen} to {last_seen}"

[params]
# Ways to S3 that keep to the VPC, and the one of which nobody knows: see path-undecided.
endpoint_paths = ["gateway_endpoint", "interface_endpoint"]
undecided_paths = ["unknown"]
top = 10
---*/
/*
What it means: an interface tried to reach S3 over a way that is no VPC endpoint, and was refused. Nothing left; often
it is a workload that should use the endpoint and whose route is missing.

What to do: give the subnet's route table the S3 gateway endpoint's route, and find out which bucket was wanted.

Blind spots: those of s3-bypasses-endpoint; S3 of every region is in here. Packets that arrive after their connection
was closed are rejected too (VPC User Guide, "Flow log records").
*/
WITH remotes AS (
  SELECT
    interface_id,
    path,
    remote_addr,
    remote_port,
    min(start_time) AS first_seen,
    max(coalesce(end_time, start_time)) AS last_seen,
    count(*) AS flows,
    CAST(sum(coalesce(bytes, 0)) AS BIGINT) AS bytes,
    max(account_id) AS account_id,
    max(vpc_id) AS vpc_id,
    max(subnet_id) AS subnet_id,
    max(own_region) AS region,
    min_by(workload_kind, start_time) AS workload_kind,
    min_by(workload, start_time) AS workload,
    min_by(workload_arn, start_time) AS workload_arn,
    max(remote_service) AS remote_service,
    max(path_evidence) AS path_evidence
  FROM workload_egress
  WHERE start_time >= $since
    AND start_time < $until
    AND action = 'REJECT'
    AND remote_service = 'S3'
    AND NOT list_contains($endpoint_paths, path)
    AND NOT list_contains($undecided_paths, path)
    AND path <> 'blackhole'
  GROUP BY interface_id, path, remote_addr, remote_port
),
ranked AS (
  SELECT
    *,
    row_number() OVER (
      PARTITION BY interface_id, path ORDER BY bytes DESC, flows DESC, remote_addr, remote_port
    ) AS place
  FROM remotes
)
SELECT
  interface_id,
  path,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen,
  CAST(sum(flows) AS BIGINT) AS flows,
  CAST(sum(bytes) AS BIGINT) AS bytes,
  max(account_id) AS account_id,
  max(vpc_id) AS vpc_id,
  max(subnet_id) AS subnet_id,
  max(region) AS region,
  min_by(workload_kind, first_seen) AS workload_kind,
  min_by(workload, first_seen) AS workload,
  min_by(workload_arn, first_seen) AS workload_arn,
  max(path_evidence) AS path_evidence,
  count(DISTINCT remote_addr) AS remotes,
  list(DISTINCT remote_service) FILTER (WHERE remote_service IS NOT NULL) AS services,
  list(struct_pack(
    address := CAST(remote_addr AS VARCHAR),
    port := CAST(remote_port AS INTEGER),
    bytes := CAST(bytes AS BIGINT),
    flows := CAST(flows AS BIGINT)
  )) FILTER (WHERE place <= $top) AS top_remotes
FROM ranked
GROUP BY interface_id, path
