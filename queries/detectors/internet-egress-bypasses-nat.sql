/*---
title = "Internet egress bypasses the NAT gateway"
severity = "critical"
attack = ["T1048", "T1567"]
every = "1m"
window = "1h"
key = ["interface_id", "path"]
needs = ["interface_id", "srcaddr", "dstaddr", "start_time", "action", "traffic_path"]
says = "{interface_id} sent {bytes} to {remotes:public address|public addresses} by {path} from {first_seen} to {last_seen}"

[params]
# Allowed ways to the internet; [policy] internet_paths fills this.
internet_paths = ["nat_gateway"]
# Every way that leads straight to the internet. Ways that lead there through somebody else's network are in
# public-address-over-private-way; `vpc_resource` and `unknown` may or may not lead there: see path-undecided.
internet_ways = ["nat_gateway", "internet_gateway", "egress_only_internet_gateway", "local_zone"]
top = 10
---*/
/*
What it means: an interface sent traffic to a public address over a way that the policy does not allow. Where the
policy allows NAT gateways only, nothing else sees, filters or logs this traffic; data may be leaving.

What to do: look up the interface's owner and the remotes in top_remotes. Then close the way: for internet_gateway, take
away the public address or the subnet's route to the gateway; for the other paths, the route that the path names. If the
way is wanted, name it in [policy] internet_paths.

Blind spots: records without traffic-path and next-hop fields (formats before version 5) leave the path unknown and are
in path-undecided, as is what an interface of unproven kind passes on. Evidence `routes_assumed` means that nobody had
looked at the routes of that time. Of two public addresses (IPv6, public VPC ranges)
only flow-direction tells which sent. Answers to connections that came from outside count as egress like any other.
The Amazon DNS server, instance metadata and SKIPDATA intervals are never seen (VPC User Guide, "Flow log limitations").
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
