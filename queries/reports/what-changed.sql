/*---
title = "What changed between two days"

[params.before]
kind = "time"
default = "-2d"
help = "A moment of the one day (UTC)."

[params.after]
kind = "time"
default = "-1d"
help = "A moment of the other day (UTC)."

[params.factor]
kind = "number"
default = 10
help = "How many times more or less is a change."
---*/
/*
What it answers: which paths and destinations are new, gone, or used far more or less than on another day.

How to read it: one row for each workload (or interface, where the workload is not known), path and destination that
changed. Destinations in AWS are told by service and region, for their addresses change by themselves. Accepted egress,
each byte once; whole days in UTC.

Blind spots: a day that is not over, or whose logs are not all collected, looks as if traffic had ended.
*/
WITH days AS (
  SELECT
    coalesce(workload, interface_id) AS who,
    path,
    CASE
      WHEN remote_service IS NULL THEN remote_addr
      ELSE concat(remote_service, ' ', coalesce(remote_region, ''))
    END AS remote,
    CASE WHEN day = CAST($before AS DATE) THEN 1 ELSE 0 END AS is_before,
    CASE WHEN day = CAST($after AS DATE) THEN 1 ELSE 0 END AS is_after,
    bytes
  FROM workload_egress
  WHERE (day = CAST($before AS DATE) OR day = CAST($after AS DATE))
    AND action = 'ACCEPT'
),
sums AS (
  SELECT
    who,
    path,
    remote,
    CAST(sum(is_before) AS BIGINT) AS flows_before,
    CAST(sum(is_after) AS BIGINT) AS flows_after,
    CAST(sum(bytes * is_before) AS BIGINT) AS bytes_before,
    CAST(sum(bytes * is_after) AS BIGINT) AS bytes_after
  FROM days
  GROUP BY who, path, remote
),
judged AS (
  SELECT
    *,
    CASE
      WHEN flows_before = 0 THEN 'new'
      WHEN flows_after = 0 THEN 'gone'
      WHEN bytes_after > bytes_before * $factor THEN 'grew'
      WHEN bytes_before > bytes_after * $factor THEN 'shrank'
    END AS change
  FROM sums
)
SELECT
  change, who, path, remote,
  bytes_before, bytes_after, flows_before, flows_after
FROM judged
WHERE change IS NOT NULL
ORDER BY change, bytes_after + bytes_before DESC, who, path, remote
