/*---
title = "Bytes by path over time"

[params.since]
kind = "time"
default = "-24h"
help = "From when on."

[params.until]
kind = "time"
default = "now"
help = "Until when."

[params.step]
kind = "duration"
default = "1h"
help = "How much time is one row."
---*/
/*
What it answers: how much left over each way, hour by hour.

How to read it: one row for each span of time, path and kind of evidence for it (`none`: not proven, and so `unknown`).
Accepted egress only, each byte once. A span without traffic has no row.

Blind spots: a record counts for the span in which it began, be it ten minutes long. Ingress has no path and is not in
here.
*/
WITH timed AS (
  SELECT
    CAST(floor(epoch(start_time) / $step) AS BIGINT) AS slot,
    path,
    path_evidence,
    remote_addr,
    bytes
  FROM egress
  WHERE start_time >= $since
    AND start_time < $until
    AND action = 'ACCEPT'
)
SELECT
  to_timestamp(slot * $step) AS span,
  path,
  path_evidence,
  CAST(sum(bytes) AS BIGINT) AS bytes,
  count(*) AS flows,
  count(DISTINCT remote_addr) AS remotes
FROM timed
GROUP BY slot, path, path_evidence
ORDER BY slot, bytes DESC, path, path_evidence
