/*---
title = "Internet egress to a destination that is not on the allow list"
severity = "high"
attack = ["T1048", "T1567"]
every = "1m"
window = "1h"
key = ["interface_id"]
needs = ["interface_id", "srcaddr", "dstaddr", "start_time", "action"]
says = "{interface_id} sent {bytes} to {remotes:public address|public addresses} off the allow list by {paths} from {first_seen} to {last_seen}"

[params]
# The networks of [policy] allowed_destinations, as beginnings of addresses written out in digits. "4" and "6" are every
# address of each family: so nothing is off the list until somebody gives one.
allowed_prefixes = ["4", "6"]
# AWS services that may be spoken to wherever they are, by their codes in flow logs; [policy] allowed_services fills this.
allowed_services = []
# Ways that keep to the VPC, and those that nothing leaves by.
inner_paths = ["gateway_endpoint", "interface_endpoint", "same_vpc", "blackhole"]
# What may have gone through a gateway endpoint where the way is not known.
undecided_paths = ["unknown"]
endpoint_services = ["S3", "DYNAMODB", "AMAZON"]
top = 10
---*/
/*
What it means: an interface sent traffic to a public address that [policy] allowed_destinations and allowed_services do
not name, over whichever way, an allowed NAT gateway included. A workload that is to speak to a few known partners spoke
to somebody else.

What to do: find out what lies behind the addresses in top_remotes and what on the workload speaks to them. If it is
wanted, name its network in [policy] allowed_destinations. If not, close it: a security group or a network firewall that
lets nothing else out.

Blind spots: a list of addresses does not know names: what shares an address with an allowed partner (a content network,
a cloud) is allowed too. Where the way is unknown, S3, DYNAMODB and AMAZON may have been reached through an endpoint and
are left out. Without a list, that is with `allowed_destinations` as it is by default, everything is on it.
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
    max(vpc_id) AS vpc_id,
    max(subnet_id) AS subnet_id,
    max(own_region) AS region,
    min_by(workload_kind, start_time) AS workload_kind,
    min_by(workload, start_time) AS workload,
    min_by(workload_arn, start_time) AS workload_arn,
    max(remote_service) AS remote_service,
    min_by(path, start_time) AS path
  FROM workload_egress
  WHERE start_time >= $since
    AND start_time < $until
    AND action = 'ACCEPT'
    AND remote_scope = 'public'
    AND NOT list_contains($inner_paths, path)
    AND NOT list_contains($allowed_services, coalesce(remote_service, ''))
    AND NOT (
      list_contains($undecided_paths, path) AND list_contains($endpoint_services, coalesce(remote_service, ''))
    )
  GROUP BY interface_id, remote_addr, remote_port
),
-- An address in digits: `4` and four times three decimal ones, `6` and 32 hexadecimal ones. A network is then one or a
-- few beginnings of such texts. First the family; `::` gets a group on either side of it.
addresses AS (
  SELECT DISTINCT
    remote_addr,
    CASE WHEN strpos(remote_addr, ':') > 0 THEN 6 ELSE 4 END AS family,
    concat(
      CASE WHEN substr(remote_addr, 1, 2) = '::' THEN '0' ELSE '' END,
      remote_addr,
      CASE WHEN strpos(concat(remote_addr, '|'), '::|') > 0 THEN '0' ELSE '' END
    ) AS padded
  FROM remotes
),
-- Then as many groups of zeros in its place as are missing from eight.
spread AS (
  SELECT
    remote_addr,
    family,
    padded,
    lower(CASE
      WHEN split_part(padded, ':', 9) <> '' THEN replace(padded, '::', ':')
      WHEN split_part(padded, ':', 8) <> '' THEN replace(padded, '::', ':0:')
      WHEN split_part(padded, ':', 7) <> '' THEN replace(padded, '::', ':0:0:')
      WHEN split_part(padded, ':', 6) <> '' THEN replace(padded, '::', ':0:0:0:')
      WHEN split_part(padded, ':', 5) <> '' THEN replace(padded, '::', ':0:0:0:0:')
      WHEN split_part(padded, ':', 4) <> '' THEN replace(padded, '::', ':0:0:0:0:0:')
      ELSE replace(padded, '::', ':0:0:0:0:0:0:')
    END) AS groups
  FROM addresses
),
digits AS (
  SELECT
    remote_addr,
    CASE WHEN family = 4
      THEN concat(
        '4',
        lpad(split_part(padded, '.', 1), 3, '0'),
        lpad(split_part(padded, '.', 2), 3, '0'),
        lpad(split_part(padded, '.', 3), 3, '0'),
        lpad(split_part(padded, '.', 4), 3, '0')
      )
      ELSE concat(
        '6',
        lpad(split_part(groups, ':', 1), 4, '0'),
        lpad(split_part(groups, ':', 2), 4, '0'),
        lpad(split_part(groups, ':', 3), 4, '0'),
        lpad(split_part(groups, ':', 4), 4, '0'),
        lpad(split_part(groups, ':', 5), 4, '0'),
        lpad(split_part(groups, ':', 6), 4, '0'),
        lpad(split_part(groups, ':', 7), 4, '0'),
        lpad(split_part(groups, ':', 8), 4, '0')
      )
    END AS text
  FROM spread
),
allowed AS (
  SELECT DISTINCT digits.remote_addr
  FROM digits
  JOIN numbers ON numbers.n <= 33 AND list_contains($allowed_prefixes, substr(digits.text, 1, numbers.n))
),
ranked AS (
  SELECT
    remotes.*,
    row_number() OVER (
      PARTITION BY interface_id ORDER BY bytes DESC, flows DESC, remote_addr, remote_port
    ) AS place
  FROM remotes
  WHERE NOT EXISTS (SELECT 1 FROM allowed WHERE allowed.remote_addr = remotes.remote_addr)
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
  list(DISTINCT remote_service) FILTER (WHERE remote_service IS NOT NULL) AS services,
  list(struct_pack(
    address := CAST(remote_addr AS VARCHAR),
    port := CAST(remote_port AS INTEGER),
    bytes := CAST(bytes AS BIGINT),
    flows := CAST(flows AS BIGINT)
  )) FILTER (WHERE place <= $top) AS top_remotes
FROM ranked
GROUP BY interface_id
