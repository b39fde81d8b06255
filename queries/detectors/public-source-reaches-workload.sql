/*---
title = "A public address reached a workload"
severity = "high"
attack = ["T1190", "T1133"]
every = "1m"
window = "1h"
key = ["interface_id"]
needs = ["interface_id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "start_time", "action", "tcp_flags"]
says = "{interface_id} received {bytes} from {remotes:public address|public addresses} on {ports:port|ports} from {first_seen} to {last_seen}"

[params]
# Where TCP's flags are not recorded: callers' ports begin here, services' ports lie below (RFC 6056).
first_callers_port = 1024
top = 10
---*/
/*
What it means: a connection that somebody at a public address opened was let through to an interface: its security group
and network ACL allow it, and there is a way in. SageMaker's own interfaces have no public address, so one has been given
to it, or it has an IPv6 address with a route to an internet gateway, or a load balancer passes clients on.

What to do: take away the public address, or the rule of the security group that lets 0.0.0.0/0 or ::/0 in. `ports` says
where it was reached; `bytes` is what came in. Then see in the view `egress` whether it answered.

Blind spots: a new connection is a SYN without ACK (tcp-flags, version 3). Where flags are not recorded, and for UDP, it
is traffic from a port of callers to one of services that was answered in the same window; long connections that began
earlier, services on high ports and ICMP are then missed. Connections through a proxy or a load balancer that speaks in
its own name come from a private address. A VPC's own IPv6 addresses count as public until the inventory knows the VPC.
What a NAT gateway records of probes at its own address is not among these.
*/
WITH calls AS (
  SELECT
    interface_id,
    remote_addr,
    dstport AS port,
    srcport AS remote_port,
    protocol,
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
    max(CASE WHEN protocol = 6 AND tcp_flags IS NOT NULL THEN 1 ELSE 0 END) AS proven
  FROM workload_ingress
  WHERE start_time >= $since
    AND start_time < $until
    AND action = 'ACCEPT'
    AND remote_scope = 'public'
    AND CASE WHEN protocol = 6 AND tcp_flags IS NOT NULL
      THEN (tcp_flags & 18) = 2
      ELSE protocol IN (6, 17) AND dstport < $first_callers_port AND srcport >= $first_callers_port END
  GROUP BY interface_id, remote_addr, dstport, srcport, protocol
),
sources AS (
  SELECT
    interface_id,
    remote_addr,
    port,
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
    max(remote_service) AS remote_service
  FROM calls
  WHERE proven = 1
    OR EXISTS (
      SELECT 1
      FROM egress AS answer
      WHERE answer.start_time >= $since
        AND answer.start_time < $until
        AND answer.action = 'ACCEPT'
        AND answer.interface_id = calls.interface_id
        AND answer.remote_addr = calls.remote_addr
        AND answer.dstport = calls.remote_port
        AND answer.srcport = calls.port
        AND answer.protocol = calls.protocol
    )
  GROUP BY interface_id, remote_addr, port
),
ranked AS (
  SELECT
    sources.*,
    row_number() OVER (PARTITION BY interface_id ORDER BY bytes DESC, flows DESC, remote_addr, port) AS place
  FROM sources
)
SELECT
  interface_id,
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
  count(DISTINCT remote_addr) AS remotes,
  count(DISTINCT port) AS ports,
  list(DISTINCT remote_service) FILTER (WHERE remote_service IS NOT NULL) AS services,
  list(struct_pack(
    address := CAST(remote_addr AS VARCHAR),
    local_port := CAST(port AS INTEGER),
    bytes := CAST(bytes AS BIGINT),
    flows := CAST(flows AS BIGINT)
  )) FILTER (WHERE place <= $top) AS top_remotes
FROM ranked
GROUP BY interface_id
