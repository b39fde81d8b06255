/*---
title = "Findings as they stand"

[params.state]
kind = "text"
default = "open"
choices = ["open", "muted", "resolved", "all"]
help = "open, muted, resolved or all."
---*/
/*
What it answers: which findings are open (or muted, or resolved), of which workload.

How to read it: one row for each finding, the most severe first. `workload` is empty where the interface's owner is not
known. `bytes` and `flows` are of all its flows so far.

Blind spots: what a detector cannot see makes no finding; `flowaudit doctor` and `flowaudit coverage` show that.
*/
SELECT
  id,
  severity,
  state,
  detector,
  title,
  evidence ->> '$.workload_kind' AS workload_kind,
  evidence ->> '$.workload' AS workload,
  key ->> '$.interface_id' AS interface_id,
  key ->> '$.path' AS path,
  sentence,
  first_seen,
  last_seen,
  CAST(flows AS BIGINT) AS flows,
  CAST(bytes AS BIGINT) AS bytes
FROM findings_current
WHERE $state = 'all'
  OR state = $state
ORDER BY
  CASE severity
    WHEN 'critical' THEN 0
    WHEN 'high' THEN 1
    WHEN 'medium' THEN 2
    ELSE 3
  END,
  last_seen DESC,
  id
