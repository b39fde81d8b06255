/*---
title = "Conversations that are long or heavy"

[params.since]
kind = "time"
default = "-24h"
help = "From when on."

[params.until]
kind = "time"
default = "now"
help = "Until when."

[params.least_duration]
kind = "duration"
default = "4h"
help = "From what length on one is long."

[params.least_bytes]
kind = "integer"
default = 1000000000
help = "From how many sent bytes on one is heavy."

[params.top]
kind = "integer"
default = 20
help = "How many rows at most."
---*/
/*
What it answers: which connections to public addresses stood for hours, or carried much: tunnels, remote shells, bulk
transfers.

How to read it: one row for each conversation (addresses, ports, protocol), the heaviest first; `seconds` is from its
first record to its last, `bytes` what the workload sent. Accepted egress, each byte once.

Blind spots: a source port that is used again within the span joins two conversations. A conversation that began
before $since is as long as what lies in it. Beacons, which open a new connection each time, are not in here.
*/
WITH conversations AS (
  SELECT
    interface_id, workload, local_addr, srcport, remote_addr, remote_port,
    protocol, remote_service, path,
    min(start_time) AS first_seen,
    max(coalesce(end_time, start_time)) AS last_seen,
    count(*) AS flows,
    CAST(sum(bytes) AS BIGINT) AS bytes
  FROM workload_egress
  WHERE start_time >= $since
    AND start_time < $until
    AND action = 'ACCEPT'
    AND remote_scope = 'public'
  GROUP BY
    interface_id, workload, local_addr, srcport, remote_addr, remote_port,
    protocol, remote_service, path
),
timed AS (
  SELECT
    *,
    CAST(epoch(last_seen) - epoch(first_seen) AS BIGINT) AS seconds
  FROM conversations
)
SELECT *
FROM timed
WHERE seconds >= $least_duration
  OR bytes >= $least_bytes
ORDER BY bytes DESC, seconds DESC, interface_id, remote_addr, srcport
LIMIT $top
