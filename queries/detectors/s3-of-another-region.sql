/*---
title = "Traffic to S3 of another region"
severity = "medium"
attack = ["T1537", "T1567.002"]
every = "1m"
window = "1h"
key = ["interface_id", "remote_region"]
needs = ["interface_id", "srcaddr", "dstaddr", "start_time", "action"]
says = "{interface_id} sent {bytes} to {remotes:address|addresses} of S3 in {remote_region} by {paths} from {first_seen} to {last_seen}"

[params]
# Ways to S3 that keep to the VPC.
endpoint_paths = ["gateway_endpoint", "interface_endpoint"]
top = 10
---*/
/*
What it means: an interface sent traffic to S3 in a region that is not its own. A gateway endpoint serves its own region
only, so this went past it, past its policy, and over the internet's routes to a bucket of whichever account. Region
GLOBAL stands for addresses that are no one region's, such as multi-region access points.

What to do: find out which bucket it is (CloudTrail data events, or the workload's own configuration). Replicate what is
needed into the workload's region; or reach it through an interface endpoint for S3 in a VPC of that region, over a
peering. If it is meant to be as it is, switch this detector off or lower its severity.

Blind spots: the region is from AWS's published ranges or from the prefix list, as they were when the record was
collected, and the interface's own from the record (version 4) or the inventory; where either is missing, the traffic is
in s3-bypasses-endpoint. Whose bucket it is no flow log tells. An interface endpoint has private addresses and is not
seen here.
*/
WITH remotes AS (
  SELECT
    interface_id,
    remote_region,
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
    min_by(path, start_time) AS path
  FROM workload_egress
  WHERE start_time >= $since
    AND start_time < $until
    AND action = 'ACCEPT'
    AND remote_service = 'S3'
    AND remote_region <> own_region
    AND NOT list_contains($endpoint_paths, path)
    AND path <> 'blackhole'
  GROUP BY interface_id, remote_region, remote_addr, remote_port
),
ranked AS (
  SELECT
    remotes.*,
    row_number() OVER (
      PARTITION BY interface_id, remote_region ORDER BY bytes DESC, flows DESC, remote_addr, remote_port
    ) AS place
  FROM remotes
)
SELECT
  interface_id,
  remote_region,
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
  list(DISTINCT path) AS paths,
  count(DISTINCT remote_addr) AS remotes,
  list(struct_pack(
    address := CAST(remote_addr AS VARCHAR),
    port := CAST(remote_port AS INTEGER),
    bytes := CAST(bytes AS BIGINT),
    flows := CAST(flows AS BIGINT)
  )) FILTER (WHERE place <= $top) AS top_remotes
FROM ranked
GROUP BY interface_id, remote_region
