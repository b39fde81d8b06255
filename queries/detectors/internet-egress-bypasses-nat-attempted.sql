/*---
title = "Rejected attempts at internet egress that bypasses the NAT gateway"
severity = "medium"
attack = ["T1048", "T1567"]
every = "1m"
window = "1h"
key = ["interface_id", "path"]
needs = ["interface_id", "srcaddr", "dstaddr", "start_time", "action", "traffic_path"]
says = "{interface_id} was refused {flows:flow|flows} to {remotes:public address|public addresses} by {path} from {first_seen} to {last_seen}"

[params]
# Allowed ways to the internet; [policy] internet_paths fills this.
internet_paths = ["nat_gateway"]
# Every way that leads to the internet. `vpc_resource` and `unknown` may or may not: see path-undecided.
internet_ways = [
  "nat_gateway",
  "internet_gateway",
  "egress_only_internet_gateway",
  "transit_gateway",
  "middlebox",
  "virtual_private_gateway",
  "vpc_peering",
  "local_zone",
]
top = 10
---*/
/*
What it means: an interface tried to reach a public address over a way that the policy does not allow, and a security
group, a network ACL or block public access refused it. Nothing left, but the way is open but for that rule.

What to do: find out what on the interface keeps trying, and close the way itself: the route, or the public address.

Blind spots: those of internet-egress-bypasses-nat. Packets that arrive after their connection was closed are rejected
too (VPC User Guide, "Flow log records"), so a few small flows beside accepted ones mean nothing. Rejects by block
public access carry no bytes. What only the next hop would have refused is recorded as accepted.
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
    AND remote_scope = 'public'
    AND list_contains($internet_ways, path)
    AND NOT list_contains($internet_paths, path)
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
