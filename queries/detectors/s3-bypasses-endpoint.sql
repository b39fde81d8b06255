/*---
title = "S3 traffic bypasses the VPC endpoint"
severity = "high"
attack = ["T1537", "T1567.002"]
every = "1m"
window = "1h"
key = ["interface_id", "path"]
needs = ["interface_id", "srcaddr", "dstaddr", "start_time", "action", "traffic_path", "pkt_dst_aws_service"]
says = "{interface_id} sent {bytes} to {remotes:address|addresses} of S3 by {path} from {first_seen} to {last_seen}"

[params]
# Ways to S3 that keep to the VPC, and the one of which nobody knows: see path-undecided.
endpoint_paths = ["gateway_endpoint", "interface_endpoint"]
undecided_paths = ["unknown"]
top = 10
---*/
/*
What it means: an interface sent traffic to its own region's S3 over a way that is no VPC endpoint, so no endpoint policy
limited which buckets it could reach. A bucket of anybody's account will do to carry data away.

What to do: give the subnet's route table the S3 gateway endpoint's route. Then restrict the endpoint's policy, and deny
other ways in the buckets' own policies (aws:SourceVpce). Another region's S3 is in s3-of-another-region; where either
region is not known, it is here.

Blind spots: S3 is known by pkt-dst-aws-service (version 5), by the region's prefix list or by AWS's published ranges;
without all three nothing shows, and what is recorded as AMAZON may be S3. Traffic-path 2 may be gateway endpoint or internet gateway: path-undecided has it. Over vpc_resource the way is not
known, but it is no gateway endpoint's; a proxy or NAT in front of an endpoint of its own is not seen from here.
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
    AND action = 'ACCEPT'
    AND remote_service = 'S3'
    AND NOT list_contains($endpoint_paths, path)
    AND NOT list_contains($undecided_paths, path)
    AND path <> 'blackhole'
    AND coalesce(remote_region, own_region, '') = coalesce(own_region, remote_region, '')
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
