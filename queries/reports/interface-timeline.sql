/*---
title = "What an interface did, and what became of it"

[params.interface]
kind = "interface"
help = "The interface."

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
What it answers: when an interface sent, received, was refused, was silent, lost records, and changed in the inventory.

How to read it: in order of time, one row for each span, kind of record, path and flow log; `inventory` rows have the
moment in which a change was found, and `detail` says what the interface is. Where two flow logs watch an interface,
each has its rows: do not add them up.

Blind spots: NODATA says that a flow log was looking and saw nothing. No row at all may be a gap in the coverage.
*/
WITH records AS (
  SELECT
    CAST(floor(epoch(coalesce(start_time, end_time)) / $step) AS BIGINT)
      AS slot,
    CASE
      WHEN log_status = 'NODATA' THEN 'no traffic'
      WHEN log_status = 'SKIPDATA' THEN 'records skipped'
      WHEN direction = 'egress' AND action = 'REJECT' THEN 'sent, rejected'
      WHEN direction = 'egress' THEN 'sent'
      WHEN direction = 'ingress' AND action = 'REJECT' THEN 'received, rejected'
      WHEN direction = 'ingress' THEN 'received'
      ELSE 'direction unknown'
    END AS what,
    path, flow_log_id, remote_addr, bytes
  FROM flows
  WHERE interface_id = $interface
    AND coalesce(start_time, end_time) >= $since
    AND coalesce(start_time, end_time) < $until
)
SELECT
  to_timestamp(slot * $step) AS moment,
  what,
  path,
  flow_log_id,
  CAST(NULL AS VARCHAR) AS detail,
  count(DISTINCT remote_addr) AS remotes,
  count(*) AS records,
  CAST(sum(bytes) AS BIGINT) AS bytes
FROM records
GROUP BY slot, what, path, flow_log_id
UNION ALL
SELECT
  valid_from AS moment,
  'inventory' AS what,
  CAST(NULL AS VARCHAR) AS path,
  CAST(NULL AS VARCHAR) AS flow_log_id,
  concat(owner, ' ', coalesce(workload, ''), ' ', coalesce(status, ''))
    AS detail,
  CAST(NULL AS BIGINT) AS remotes,
  CAST(NULL AS BIGINT) AS records,
  CAST(NULL AS BIGINT) AS bytes
FROM interface_history
WHERE interface_id = $interface
  AND valid_from >= $since
  AND valid_from < $until
ORDER BY moment, what, path, flow_log_id
