/*---
title = "Rejected traffic by reason"

[params.since]
kind = "time"
default = "-24h"
help = "From when on."

[params.until]
kind = "time"
default = "now"
help = "Until when."
---*/
/*
What it answers: what was refused, in which direction, and by what.

How to read it: one row for each direction, reason and kind of remote. `reason` is block public access (BPA) or
encryption controls (EC); everything else (security groups, network ACLs, late packets of closed connections) has no
reason of its own in a record and is `other`.

Blind spots: reject-reason is a field of version 8: in older formats everything is `other`. Rejects by block public
access have no bytes. What is dropped behind the interface was recorded as accepted.
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
  coalesce(reject_reason, 'other') AS reason,
  remote_scope,
  count(DISTINCT interface_id) AS interfaces,
  count(DISTINCT remote_addr) AS remotes,
  count(*) AS flows,
  CAST(sum(packets) AS BIGINT) AS packets,
  CAST(sum(bytes) AS BIGINT) AS bytes
FROM refused
GROUP BY direction, coalesce(reject_reason, 'other'), remote_scope
ORDER BY flows DESC, direction, reason, remote_scope
