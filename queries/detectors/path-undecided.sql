/*---
title = "The way of internet traffic cannot be told"
severity = "low"
attack = []
every = "1m"
window = "1h"
key = ["interface_id", "path"]
needs = ["interface_id", "srcaddr", "dstaddr", "start_time", "action"]
says = "{interface_id} sent {bytes} to {remotes:public address|public addresses}, by a way that is {path}, from {first_seen} to {last_seen}"

[params]
# Verdicts that leave open whether traffic kept to an allowed way.
undecided_paths = ["unknown", "vpc_resource"]
top = 10
---*/
/*
What it means: an interface sent traffic to a public address, and the records do not prove over which way: unknown, or
an interface in the VPC of which only the existence is known (vpc_resource). It may be compliant, it may be a leak.

What to do: have the flow log record more. traffic-path and flow-direction (version 5) tell internet gateways from
gateway endpoints, next-hop-interface-type (version 11) tells NAT gateways from appliances. A format cannot be changed:
make a second flow log, then delete the first.

Blind spots: S3 over vpc_resource has certainly not used a gateway endpoint and is in s3-bypasses-endpoint instead.
Records of two public addresses without flow-direction have no direction and are not in here. A NAT gateway whose
records lack the packet's addresses (version 2) cannot be told from a workload and appears here too.
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
    AND remote_scope = 'public'
    AND list_contains($undecided_paths, path)
    AND NOT (path = 'vpc_resource' AND coalesce(remote_service, '') = 'S3')
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
