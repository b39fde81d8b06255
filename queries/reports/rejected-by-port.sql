/*---
title = "Rejected traffic by port"

[params.since]
kind = "time"
default = "-24h"
help = "From when on."

[params.until]
kind = "time"
default = "now"
help = "Until when."

[params.top]
kind = "integer"
default = 20
help = "How many rows at most."
---*/
/*
What it answers: which ports were asked for in vain, from outside and from inside.

How to read it: one row for each direction, protocol (IANA's number: 6 TCP, 17 UDP) and destination port. Many remotes
at one port of many interfaces are a scan; one remote at many ports too (who-spoke-to tells more). Egress is a workload
that wants something it may not have.

Blind spots: late packets of closed connections are refused too; they have high, changing ports.
*/
WITH refused AS (
  SELECT
    interface_id, direction, reject_reason, remote_scope, remote_addr,
    protocol, dstport, packets, bytes, start_time
  FROM egress
  WHERE start_time >= $since
    AND start_time < $until
    AND action = 'REJECT'
  UNION ALL
  SELECT
    interface_id, direction, reject_reason, remote_scope, remote_addr,
    protocol, dstport, packets, bytes, start_time
  FROM ingress
  WHERE start_time >= $since
    AND start_time < $until
    AND action = 'REJECT'
)

SELECT
  direction,
  protocol,
  dstport AS port,
  count(DISTINCT interface_id) AS interfaces,
  count(DISTINCT remote_addr) AS remotes,
  count(*) AS flows,
  CAST(sum(packets) AS BIGINT) AS packets,
  min(start_time) AS first_seen,
  max(start_time) AS last_seen
FROM refused
GROUP BY direction, protocol, dstport
ORDER BY flows DESC, direction, protocol, port
LIMIT $top
