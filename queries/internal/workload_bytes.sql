/*
Bytes that workloads sent in a span of time, accepted, each once, by path: of the $most workloads that sent most, and in
one more, `unattributed`, of all interfaces whose workload is not known.
*/
WITH sent AS (
  SELECT
    CASE WHEN workload IS NULL THEN 'none' ELSE coalesce(workload_kind, 'none') END AS workload_kind,
    coalesce(workload, 'unattributed') AS workload,
    workload IS NOT NULL AS is_known,
    path,
    sum(bytes) AS bytes
  FROM workload_egress
  WHERE start_time >= $since
    AND start_time < $until
    AND action = 'ACCEPT'
  GROUP BY ALL
),
ranked AS (
  SELECT
    workload_kind,
    workload,
    is_known,
    row_number() OVER (PARTITION BY is_known ORDER BY sum(bytes) DESC, workload_kind, workload) AS place
  FROM sent
  GROUP BY workload_kind, workload, is_known
)
SELECT
  sent.workload_kind,
  sent.workload,
  sent.path,
  CAST(coalesce(sum(sent.bytes), 0) AS BIGINT) AS bytes
FROM sent
JOIN ranked
  ON ranked.workload_kind = sent.workload_kind
  AND ranked.workload = sent.workload
  AND ranked.is_known = sent.is_known
WHERE ranked.place <= $most
GROUP BY ALL
