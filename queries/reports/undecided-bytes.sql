/*---
title = "Bytes whose way is not known, and why"

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
What it answers: how much internet traffic has no proven path, and which missing field is to blame.

How to read it: one row for each flow log, path and reason, accepted egress to public addresses, each byte once. The
remedy is in the reason: fields that the format lacks are had by a second flow log; a route that is not known is had by
letting the inventory look.

Blind spots: records without a direction (two public addresses and no flow-direction) are not egress and not in here.
*/
WITH undecided AS (
  SELECT
    coalesce(flow_log_id, '') AS flow_log_id,
    path,
    CASE
      WHEN traffic_path = 2 THEN
        'traffic-path 2 is internet gateway or gateway endpoint'
      WHEN traffic_path = 1 AND next_hop_interface_id IS NULL THEN
        'traffic-path 1 without next-hop fields'
      WHEN next_hop_interface_id IS NOT NULL THEN
        'next hop is an interface of unknown kind'
      WHEN traffic_path IS NULL THEN
        'neither traffic-path nor next-hop fields'
      ELSE 'routes and inventory do not tell'
    END AS reason,
    interface_id, remote_addr, bytes
  FROM egress
  WHERE start_time >= $since
    AND start_time < $until
    AND action = 'ACCEPT'
    AND remote_scope = 'public'
    AND path IN ('unknown', 'vpc_resource')
)
SELECT
  flow_log_id,
  path,
  reason,
  count(DISTINCT interface_id) AS interfaces,
  count(DISTINCT remote_addr) AS remotes,
  CAST(sum(bytes) AS BIGINT) AS bytes,
  count(*) AS flows
FROM undecided
GROUP BY flow_log_id, path, reason
ORDER BY bytes DESC, flow_log_id, path, reason
