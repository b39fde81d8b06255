/*---
title = "Ports that were reached from outside the VPC"

[params.since]
kind = "time"
default = "-7d"
help = "From when on."

[params.until]
kind = "time"
default = "now"
help = "Until when."
---*/
/*
What it answers: which interfaces took connections from outside their VPC, on which port, and whether they answered.

How to read it: one row for each interface, port and kind of remote: `public`, or `private` for addresses that are in
none of the VPC's CIDRs (a peering, a VPN, a transit gateway). `evidence` is `tcp_flags` where a record shows the
opening SYN, else `ports`: the local port was the lower one. `bytes_sent` went back to the same remotes from that port;
0 means that nothing answered.

Blind spots: without tcp-flags the lower port may still be the caller's. Where the inventory does not know the VPC,
every private remote counts as outside. IPv6 within the VPC has public addresses and counts as outside, too.
*/
WITH calls AS (
  SELECT
    interface_id, vpc_id, dstport AS port, protocol, remote_addr, remote_scope,
    CASE WHEN protocol = 6 AND tcp_flags IS NOT NULL
      THEN 'tcp_flags' ELSE 'ports' END AS evidence,
    TRY_CAST(split_part(remote_addr, '.', 1) AS BIGINT) * 16777216
    + TRY_CAST(split_part(remote_addr, '.', 2) AS BIGINT) * 65536
    + TRY_CAST(split_part(remote_addr, '.', 3) AS BIGINT) * 256
    + TRY_CAST(split_part(remote_addr, '.', 4) AS BIGINT) AS remote_ip,
    min(start_time) AS first_seen,
    max(coalesce(end_time, start_time)) AS last_seen,
    count(*) AS flows
  FROM ingress
  WHERE start_time >= $since
    AND start_time < $until
    AND action = 'ACCEPT'
    AND remote_scope IN ('public', 'private')
    AND CASE WHEN protocol = 6 AND tcp_flags IS NOT NULL
      THEN (tcp_flags & 18) = 2 ELSE dstport < srcport END
  GROUP BY
    interface_id, vpc_id, dstport, protocol, remote_addr, remote_scope,
    CASE WHEN protocol = 6 AND tcp_flags IS NOT NULL
      THEN 'tcp_flags' ELSE 'ports' END
),
outside AS (
  SELECT *
  FROM calls
  WHERE NOT EXISTS (
    SELECT 1
    FROM vpc_cidrs AS inside
    WHERE inside.vpc_id = calls.vpc_id
      AND calls.remote_ip >= inside.first_ip
      AND calls.remote_ip <= inside.last_ip
      AND calls.last_seen >= inside.valid_from
      AND (inside.valid_to IS NULL OR calls.first_seen < inside.valid_to)
  )
),
answers AS (
  SELECT
    interface_id, srcport, protocol, remote_addr,
    CAST(sum(bytes) AS BIGINT) AS bytes
  FROM egress
  WHERE start_time >= $since
    AND start_time < $until
    AND action = 'ACCEPT'
  GROUP BY interface_id, srcport, protocol, remote_addr
)
SELECT
  outside.interface_id,
  outside.vpc_id,
  outside.protocol,
  outside.port,
  outside.remote_scope,
  outside.evidence,
  count(DISTINCT outside.remote_addr) AS remotes,
  min(outside.first_seen) AS first_seen,
  max(outside.last_seen) AS last_seen,
  CAST(sum(outside.flows) AS BIGINT) AS flows,
  CAST(sum(coalesce(answers.bytes, 0)) AS BIGINT) AS bytes_sent
FROM outside
LEFT JOIN answers
  ON answers.interface_id = outside.interface_id
  AND answers.srcport = outside.port
  AND answers.protocol = outside.protocol
  AND answers.remote_addr = outside.remote_addr
GROUP BY
  outside.interface_id, outside.vpc_id, outside.protocol, outside.port,
  outside.remote_scope, outside.evidence
ORDER BY
  outside.remote_scope DESC, remotes DESC, outside.interface_id, outside.port
