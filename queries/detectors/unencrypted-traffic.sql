/*---
title = "Traffic is not encrypted in transit"
severity = "medium"
attack = ["T1040"]
every = "1m"
window = "1h"
key = ["interface_id", "path"]
needs = ["interface_id", "srcaddr", "dstaddr", "start_time", "action", "encryption_status"]
says = "{interface_id} sent {bytes} unencrypted to {remotes:address|addresses} by {path} from {first_seen} to {last_seen}"

[params]
# [policy] require_encryption fills this; without it nothing is reported.
require_encryption = false
# Ways to the internet, where no network of AWS's can encrypt and what TLS does is not looked at.
exempt_paths = ["nat_gateway", "internet_gateway", "egress_only_internet_gateway"]
top = 10
---*/
/*
What it means: [policy] require_encryption asks for encryption in transit, and an interface sent data of which the VPC's
encryption controls say that neither the network encrypted it nor, towards an AWS endpoint, the application
(encryption-status 0).

What to do: put both ends on Nitro instances that encrypt among themselves, and the VPC's encryption controls into
enforce mode once nothing is left. For what cannot be moved, allow an exclusion there and the path here (`exempt_paths`).

Blind spots: encryption-status (version 10) is recorded only where a VPC has encryption controls; without them nothing
shows. TLS between other ends than AWS's own endpoints is not looked at and counts as unencrypted; that is why the ways
to the internet are exempt.
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
    max(path_evidence) AS path_evidence
  FROM workload_egress
  WHERE start_time >= $since
    AND start_time < $until
    AND action = 'ACCEPT'
    AND encryption_status = 0
    AND $require_encryption
    AND NOT list_contains($exempt_paths, path)
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
  count(DISTINCT remote_addr) AS remotes,
  list(struct_pack(
    address := CAST(remote_addr AS VARCHAR),
    port := CAST(remote_port AS INTEGER),
    bytes := CAST(bytes AS BIGINT),
    flows := CAST(flows AS BIGINT)
  )) FILTER (WHERE place <= $top) AS top_remotes
FROM ranked
GROUP BY interface_id, path
