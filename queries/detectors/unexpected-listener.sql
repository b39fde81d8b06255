/*---
title = "Workload accepts connections on an unexpected port"
severity = "medium"
attack = ["T1571"]
every = "1m"
window = "1h"
key = ["interface_id", "port"]
needs = ["interface_id", "srcaddr", "dstaddr", "srcport", "protocol", "start_time", "action", "tcp_flags"]
says = "{interface_id} answered {remotes:address|addresses} on port {port} with {bytes} from {first_seen} to {last_seen}"

[params]
# Ports on which a workload's interface may answer those who are no workload themselves: a model's container takes its
# requests on 8080 (SageMaker Developer Guide, "Use your own inference code with hosting services"), TLS is 443.
expected_ports = [443, 8080]
top = 10
---*/
/*
What it means: something on a SageMaker workload's interface answered a connection on a port that nobody expects
(SYN-ACK): a debugger, a notebook server, SSH, a back door. Those who called are no workloads of the same VPC.

What to do: see what listens there, and who called in top_remotes. If it is meant to, add the port to `expected_ports`;
if not, let the security group admit nobody on it: a workload needs no inbound rule but for its own kind.

Blind spots: needs tcp-flags (version 3), and the inventory to know that the interface is SageMaker's. A listener that
nobody called, UDP, and a connection that began before the window are not seen. Between workloads see lateral-traffic;
ports among a job's own nodes are theirs.
*/
WITH callers AS (
  SELECT
    interface_id,
    srcport AS port,
    remote_addr,
    min(start_time) AS first_seen,
    max(coalesce(end_time, start_time)) AS last_seen,
    count(*) AS flows,
    CAST(sum(coalesce(bytes, 0)) AS BIGINT) AS bytes,
    max(account_id) AS account_id,
    max(own_vpc_id) AS vpc_id,
    max(subnet_id) AS subnet_id,
    max(own_region) AS region,
    min_by(workload_kind, start_time) AS workload_kind,
    min_by(workload, start_time) AS workload,
    min_by(workload_arn, start_time) AS workload_arn,
    max(remote_scope) AS remote_scope
  FROM workload_egress
  WHERE start_time >= $since
    AND start_time < $until
    AND action = 'ACCEPT'
    AND protocol = 6
    AND (tcp_flags & 18) = 18
    AND attribution IS NOT NULL
    AND NOT list_contains($expected_ports, srcport)
  GROUP BY interface_id, srcport, remote_addr
),
ranked AS (
  SELECT
    callers.*,
    row_number() OVER (PARTITION BY interface_id, port ORDER BY bytes DESC, flows DESC, remote_addr) AS place
  FROM callers
  WHERE NOT EXISTS (
    SELECT 1
    FROM workload_addresses AS there
    WHERE there.address = callers.remote_addr
      AND there.vpc_id = callers.vpc_id
      AND callers.last_seen >= there.valid_from
      AND (there.valid_to IS NULL OR callers.first_seen < there.valid_to)
  )
)
SELECT
  interface_id,
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
  count(DISTINCT remote_addr) AS remotes,
  list(DISTINCT remote_scope) AS scopes,
  list(struct_pack(
    address := CAST(remote_addr AS VARCHAR), bytes := CAST(bytes AS BIGINT), flows := CAST(flows AS BIGINT)
  )) FILTER (WHERE place <= $top) AS top_remotes
FROM ranked
GROUP BY interface_id, port
