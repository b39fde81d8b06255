/*---
title = "Bytes by workload and path"

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
What it answers: which way the traffic of each job, endpoint or notebook went.

How to read it: one row for each workload, path and kind of destination (`remote_scope`), accepted and rejected apart,
each byte once. A row without a workload is the sum over interfaces whose owner is not known: unattributed-interfaces
names them.

Blind spots: an interface is attributed by what the inventory saw of it. Where nobody looked while it lived, it has no
workload.
*/
SELECT
  workload_kind,
  workload,
  path,
  remote_scope,
  action,
  count(DISTINCT interface_id) AS interfaces,
  count(DISTINCT remote_addr) AS remotes,
  CAST(sum(bytes) AS BIGINT) AS bytes,
  count(*) AS flows,
  min(start_time) AS first_seen,
  max(coalesce(end_time, start_time)) AS last_seen
FROM workload_egress
WHERE start_time >= $since
  AND start_time < $until
GROUP BY workload_kind, workload, path, remote_scope, action
ORDER BY bytes DESC, workload_kind, workload, path, remote_scope, action
