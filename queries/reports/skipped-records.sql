/*---
title = "Intervals in which records were left out"

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
What it answers: for which interfaces AWS left records out (SKIPDATA), when, and how often.

How to read it: one row for each interface and flow log. One SKIPDATA record stands for one or many flows that are not
there: within `first_skipped` to `last_skipped` silence proves nothing. `share` is their part of all of its records.

Blind spots: SKIPDATA says nothing about how much was lost. Interfaces without any record are not in here.
*/
SELECT
  interface_id,
  flow_log_id,
  CAST(sum(CASE WHEN log_status = 'SKIPDATA' THEN 1 ELSE 0 END) AS BIGINT)
    AS skipped,
  count(*) AS records,
  round(
    sum(CASE WHEN log_status = 'SKIPDATA' THEN 1.0 ELSE 0.0 END) / count(*), 4
  ) AS share,
  min(CASE WHEN log_status = 'SKIPDATA' THEN start_time END) AS first_skipped,
  max(CASE WHEN log_status = 'SKIPDATA' THEN coalesce(end_time, start_time) END)
    AS last_skipped
FROM flows
WHERE start_time >= $since
  AND start_time < $until
GROUP BY interface_id, flow_log_id
HAVING sum(CASE WHEN log_status = 'SKIPDATA' THEN 1 ELSE 0 END) > 0
ORDER BY skipped DESC, interface_id, flow_log_id
