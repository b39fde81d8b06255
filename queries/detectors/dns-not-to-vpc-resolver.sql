/*---
title = "Name queries go past the VPC's resolver"
severity = "medium"
attack = ["T1071.004", "T1048"]
every = "1m"
window = "1h"
key = ["interface_id"]
needs = ["interface_id", "srcaddr", "dstaddr", "dstport", "protocol", "start_time", "action"]
says = "{interface_id} sent {bytes} to {remotes:name server|name servers} past the VPC's resolver from {first_seen} to {last_seen}"

[params]
# DNS, and DNS over TLS or QUIC (RFC 7858, 9250).
dns_ports = [53, 853]
# Public resolvers that answer DNS over HTTPS, on the port after them: Cloudflare, Google, Quad9, OpenDNS, AdGuard, and
# NextDNS. Only what is in this list can be told from other HTTPS.
doh_resolvers = [
  "1.0.0.1",
  "1.1.1.1",
  "1.1.1.2",
  "1.1.1.3",
  "2606:4700:4700::1001",
  "2606:4700:4700::1111",
  "8.8.4.4",
  "8.8.8.8",
  "2001:4860:4860::8844",
  "2001:4860:4860::8888",
  "9.9.9.9",
  "149.112.112.112",
  "2620:fe::9",
  "2620:fe::fe",
  "208.67.220.220",
  "208.67.222.222",
  "94.140.14.14",
  "94.140.15.15",
  "45.90.28.0",
  "45.90.30.0",
]
doh_port = 443
# Further resolvers that may be asked, beside those of the VPC's DHCP options.
allowed_resolvers = []
top = 10
---*/
/*
What it means: an interface asked for names elsewhere than at the VPC's own resolver or the servers of its DHCP options.
Such queries pass Route 53 Resolver's logs and DNS Firewall, and names can carry data out.

What to do: see what on the workload has a resolver of its own (a container's resolv.conf, a library's DNS over HTTPS).
Let security groups or a network firewall admit port 53 and 853 to nobody else. A resolver that is wanted belongs into the
DHCP options, or into `allowed_resolvers`.

Blind spots: queries to the Amazon DNS server itself (the VPC's base plus two, 169.254.169.253, fd00:ec2::253) are in no
flow log, so data that leaves through it is not seen: use Route 53 Resolver query logs. DNS over HTTPS at a resolver that
is not in the list looks like any HTTPS. Where the inventory does not know a VPC's DHCP options, only public resolvers
are reported.
*/
WITH remotes AS (
  SELECT
    interface_id,
    remote_addr,
    remote_port,
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
    max(remote_scope) AS remote_scope,
    min_by(path, start_time) AS path
  FROM workload_egress
  WHERE start_time >= $since
    AND start_time < $until
    AND action = 'ACCEPT'
    AND protocol IN (6, 17)
    AND path <> 'blackhole'
    AND (
      list_contains($dns_ports, remote_port)
      OR (remote_port = $doh_port AND list_contains($doh_resolvers, remote_addr))
    )
    AND NOT list_contains($allowed_resolvers, remote_addr)
  GROUP BY interface_id, remote_addr, remote_port
),
-- What is known of the DHCP options of each remote's VPC: whether they are, and whether they name it.
told AS (
  SELECT
    remotes.interface_id,
    remotes.remote_addr,
    max(CASE WHEN list_contains(networks.unknown, 'domain_name_servers') THEN 0 ELSE 1 END) AS known,
    max(CASE WHEN list_contains(networks.domain_name_servers, remotes.remote_addr) THEN 1 ELSE 0 END) AS named
  FROM remotes
  JOIN networks
    ON networks.vpc_id = remotes.vpc_id
    AND remotes.last_seen >= networks.valid_from
    AND (networks.valid_to IS NULL OR remotes.first_seen < networks.valid_to)
  GROUP BY remotes.interface_id, remotes.remote_addr
),
ranked AS (
  SELECT
    remotes.*,
    row_number() OVER (
      PARTITION BY remotes.interface_id
      ORDER BY remotes.bytes DESC, remotes.flows DESC, remotes.remote_addr, remotes.remote_port
    ) AS place
  FROM remotes
  LEFT JOIN told ON told.interface_id = remotes.interface_id AND told.remote_addr = remotes.remote_addr
  WHERE coalesce(told.named, 0) = 0
    AND (remotes.remote_scope = 'public' OR told.known = 1)
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
  list(DISTINCT path) AS paths,
  count(DISTINCT remote_addr) AS remotes,
  list(struct_pack(
    address := CAST(remote_addr AS VARCHAR),
    port := CAST(remote_port AS INTEGER),
    bytes := CAST(bytes AS BIGINT),
    flows := CAST(flows AS BIGINT)
  )) FILTER (WHERE place <= $top) AS top_remotes
FROM ranked
GROUP BY interface_id
