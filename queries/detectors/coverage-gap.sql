/*---
title = "Flow logs do not tell of a workload's interface"
severity = "medium"
attack = ["T1562.008"]
every = "15m"
window = "1h"
key = ["interface_id", "state"]
needs = ["interface_id", "start_time", "end_time", "log_status"]
says = "{interface_id} lived {flows:minute|minutes} that are {state} in flow logs from {first_seen} to {last_seen}: {why}"

[params]
# Shorter gaps than this, added up over the window, are not worth a finding.
least_minutes = 5
---*/
/*
What it means: a SageMaker interface lived through minutes of which no flow log tells. `state` is how: `missing`, a flow
log of all traffic was there and nothing arrived in time, not even NODATA; `not_monitored`, none was there, or none that
records and delivers all traffic. `why` names it, `flows` counts the minutes, `records` what did arrive of the window.
That other detectors found nothing in those minutes proves nothing.

What to do: where it is `not_monitored`, make a flow log of all traffic (README.md has the command) or mend the one that
`why` names. Where it is `missing`, look at that flow log's delivery, at the bucket's policy, and at objects that were
quarantined or skipped (`objects`). Collect what came late: the finding then resolves.

Blind spots: needs the inventory to know the interface. Only windows that new batches touch are looked at. So one in which
no record at all of any interface arrived is not in here, and neither are minutes that might still have arrived when the
window was last looked at, mostly its last ones: `flowaudit coverage`, its closing line and the metric
flowaudit_coverage_gaps tell of both. Late objects resolve it. Records that AWS left out are in skipdata.
*/
WITH gaps AS (
  SELECT
    spans.interface_id,
    spans.vpc_id,
    spans.subnet_id,
    spans.state,
    spans.why,
    CASE WHEN spans.since < $since THEN CAST($since AS TIMESTAMPTZ) ELSE spans.since END AS gap_since,
    CASE WHEN spans.until > $until THEN CAST($until AS TIMESTAMPTZ) ELSE spans.until END AS gap_until
  FROM coverage_spans AS spans
  WHERE spans.state IN ('missing', 'not_monitored')
    AND spans.since < $until
    AND spans.until > $since
),
arrived AS (
  SELECT interface_id, count(*) AS records
  FROM flows
  WHERE start_time >= $since
    AND start_time < $until
  GROUP BY interface_id
)
SELECT
  gaps.interface_id,
  gaps.state,
  min(gaps.gap_since) AS first_seen,
  max(gaps.gap_until) AS last_seen,
  CAST(floor(sum(epoch(gaps.gap_until) - epoch(gaps.gap_since)) / 60) AS BIGINT) AS flows,
  CAST(0 AS BIGINT) AS bytes,
  max(whose.account_id) AS account_id,
  max(gaps.vpc_id) AS vpc_id,
  max(gaps.subnet_id) AS subnet_id,
  max(whose.region) AS region,
  min_by(whose.workload_kind, gaps.gap_since) AS workload_kind,
  min_by(whose.workload, gaps.gap_since) AS workload,
  min_by(whose.workload_arn, gaps.gap_since) AS workload_arn,
  list(DISTINCT gaps.why) AS why,
  coalesce(max(arrived.records), 0) AS records
FROM gaps
JOIN interface_workloads AS whose
  ON whose.interface_id = gaps.interface_id
  AND gaps.gap_since >= whose.valid_from
  AND (whose.valid_to IS NULL OR gaps.gap_since < whose.valid_to)
LEFT JOIN arrived ON arrived.interface_id = gaps.interface_id
GROUP BY gaps.interface_id, gaps.state
HAVING sum(epoch(gaps.gap_until) - epoch(gaps.gap_since)) >= 60 * $least_minutes
