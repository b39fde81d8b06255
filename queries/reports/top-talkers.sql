/*---
title = "Who sent most, and where to"

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
What it answers: which workloads sent most to which address, and over which way.

How to read it: one row for each interface, remote address and path, the largest first. Accepted egress only, each
byte once, counted where the workload sends. `workload` is empty where the interface's owner is not known.

Blind spots: what was received is not in here. Many small remotes of one service (S3) are many rows: bytes-by-workload
adds them up. What flow logs never record (DNS to Amazon's server, instance metadata) is missing.
*/
SELECT
  interface_id,
  workload_kind,
  workload,
  remote_addr,
  remote_service,
  path,
  CAST(sum(bytes) AS BIGINT) AS bytes,
  count(*) AS flows,
  min(start_time) AS first_seen,
  max(coalesce(end_time, start_time)) AS last_seen
FROM workload_egress
WHERE start_time >= $since
  AND start_time < $until
  AND action = 'ACCEPT'
GROUP BY
  interface_id, workload_kind, workload, remote_addr, remote_service, path
ORDER BY bytes DESC, interface_id, remote_addr, path
LIMIT $top
