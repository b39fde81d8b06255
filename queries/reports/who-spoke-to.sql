/*---
title = "Who spoke to an address"

[params.address]
kind = "address"
help = "The address at the other end."

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
What it answers: which interfaces and workloads sent to an address or received from it, over which way, and when.

How to read it: one row for each interface, direction, protocol, port, path and action. `port` is the lower one of the
two, mostly that of the service. Both directions are shown, so the bytes of a conversation are the sum of its rows.

Blind spots: the address is compared with the packet's own where that is recorded; formats without pkt-dstaddr show the
interface's. Records of interfaces that pass on others' traffic (NAT gateways) are left out.
*/
WITH spoken AS (
  SELECT
    interface_id, local_addr, direction, protocol, path, action,
    CASE WHEN srcport < dstport THEN srcport ELSE dstport END AS port,
    start_time, coalesce(end_time, start_time) AS end_time, bytes
  FROM egress
  WHERE start_time >= $since
    AND start_time < $until
    AND remote_addr = $address
  UNION ALL
  SELECT
    interface_id, local_addr, direction, protocol, path, action,
    CASE WHEN srcport < dstport THEN srcport ELSE dstport END AS port,
    start_time, coalesce(end_time, start_time) AS end_time, bytes
  FROM ingress
  WHERE start_time >= $since
    AND start_time < $until
    AND remote_addr = $address
)
SELECT
  spoken.interface_id,
  whose.workload_kind,
  whose.workload,
  spoken.local_addr,
  spoken.direction,
  spoken.protocol,
  spoken.port,
  spoken.path,
  spoken.action,
  min(spoken.start_time) AS first_seen,
  max(spoken.end_time) AS last_seen,
  count(*) AS flows,
  CAST(sum(spoken.bytes) AS BIGINT) AS bytes
FROM spoken
LEFT JOIN interface_workloads AS whose
  ON whose.interface_id = spoken.interface_id
  AND spoken.start_time >= whose.valid_from
  AND (whose.valid_to IS NULL OR spoken.start_time < whose.valid_to)
GROUP BY
  spoken.interface_id, whose.workload_kind, whose.workload,
  spoken.local_addr, spoken.direction, spoken.protocol, spoken.port,
  spoken.path, spoken.action
ORDER BY first_seen, spoken.interface_id, spoken.direction, spoken.port
