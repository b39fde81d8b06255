/*---
title = "Public address reached over a private way"
severity = "high"
attack = ["T1048", "T1567"]
every = "1m"
window = "1h"
key = ["interface_id", "path"]
needs = ["interface_id", "srcaddr", "dstaddr", "start_time", "action", "traffic_path"]
says = "{interface_id} sent {bytes} to {remotes:public address|public addresses} by {path} from {first_seen} to {last_seen}"

[params]
# Allowed ways to the internet; [policy] internet_paths fills this.
internet_paths = ["nat_gateway"]
# Ways that lead to the internet, if at all, through another network or an appliance.
private_ways = ["transit_gateway", "vpc_peering", "virtual_private_gateway", "middlebox"]
top = 10
---*/
/*
What it means: an interface sent traffic to a public address, and it left over a peering, a transit gateway, a virtual
private gateway or an appliance. Whether and how it leaves for the internet is decided there: by somebody else's NAT
gateway, proxy or firewall, in logs that are not these.

What to do: see what lies at the other end of the way that `path` names. If egress is central on purpose, name the way
in [policy] internet_paths. If not, narrow the route to the networks that are behind it.

Blind spots: networks that use public addresses in private (an office with a range of its own behind the virtual private
gateway, a peered VPC with such CIDRs) look the same and are reported. That an appliance is one is told by a next hop of
no AWS-managed type or by the inventory; else the way is vpc_resource and is in path-undecided.
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
    max(path_evidence) AS path_evidence,
    max(next_hop_interface_id) AS next_hop_interface_id
  FROM workload_egress
  WHERE start_time >= $since
    AND start_time < $until
    AND action = 'ACCEPT'
    AND remote_scope = 'public'
    AND list_contains($private_ways, path)
    AND NOT list_contains($internet_paths, path)
  GROUP BY interface_id, path, remote_addr, remote_port
),
ranked AS (
  SELECT
    remotes.*,
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
  list(DISTINCT next_hop_interface_id) FILTER (WHERE next_hop_interface_id IS NOT NULL) AS next_hops,
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
