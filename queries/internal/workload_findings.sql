/*
Open findings by workload and severity: of the $most workloads with the most severe ones, and in one more,
`unattributed`, of all findings whose evidence names no workload. More findings of a severity outweigh any number of
lesser ones.
*/
WITH named AS (
  SELECT
    CASE WHEN json_valid(evidence) THEN evidence ->> '$.workload_kind' END AS workload_kind,
    CASE WHEN json_valid(evidence) THEN evidence ->> '$.workload' END AS workload,
    severity
  FROM findings_current
  WHERE state = 'open'
),
opened AS (
  SELECT
    CASE WHEN workload IS NULL THEN 'none' ELSE coalesce(workload_kind, 'none') END AS workload_kind,
    coalesce(workload, 'unattributed') AS workload,
    workload IS NOT NULL AS is_known,
    severity
  FROM named
),
ranked AS (
  SELECT
    workload_kind,
    workload,
    is_known,
    row_number() OVER (
      PARTITION BY is_known
      ORDER BY
        count(*) FILTER (WHERE severity = 'critical') DESC,
        count(*) FILTER (WHERE severity = 'high') DESC,
        count(*) FILTER (WHERE severity = 'medium') DESC,
        count(*) DESC,
        workload_kind,
        workload
    ) AS place
  FROM opened
  GROUP BY workload_kind, workload, is_known
)
SELECT
  opened.workload_kind,
  opened.workload,
  opened.severity,
  count(*) AS findings
FROM opened
JOIN ranked
  ON ranked.workload_kind = opened.workload_kind
  AND ranked.workload = opened.workload
  AND ranked.is_known = opened.is_known
WHERE ranked.place <= $most
GROUP BY ALL
