/*
Spans of records that a richer flow log has as well: an interface may be watched by flow logs of its own, of its subnet
and of its VPC, and each byte counts once. Of two flow logs the one whose fields say more is kept (next hop, then
traffic-path, then the packet's addresses, then flow-direction), of equals the one whose id comes first; what it does
not have, because it began later, failed or records accepted traffic only, is taken from the other. Looked at in spans
of ten minutes, the longest aggregation interval, so that where one flow log takes over from another nothing is lost.
*/
WITH watched AS (
  SELECT interface_id
  FROM flows
  WHERE interface_id IS NOT NULL
  GROUP BY interface_id
  HAVING min(coalesce(flow_log_id, '')) <> max(coalesce(flow_log_id, ''))
),
formats AS (
  SELECT
    coalesce(flow_log_id, '') AS flow_log_id,
    max(CASE WHEN next_hop_interface_id IS NOT NULL OR next_hop_interface_type IS NOT NULL THEN 8 ELSE 0 END)
    + max(CASE WHEN traffic_path IS NOT NULL THEN 4 ELSE 0 END)
    + max(CASE WHEN pkt_dstaddr IS NOT NULL THEN 2 ELSE 0 END)
    + max(CASE WHEN flow_direction IS NOT NULL THEN 1 ELSE 0 END) AS richness
  FROM flows
  WHERE (log_status = 'OK' OR log_status IS NULL)
    AND interface_id IN (SELECT interface_id FROM watched)
  GROUP BY coalesce(flow_log_id, '')
),
ranked AS (
  SELECT flow_log_id, row_number() OVER (ORDER BY richness DESC, flow_log_id) AS place
  FROM formats
),
starts AS (
  SELECT
    interface_id,
    action,
    coalesce(flow_log_id, '') AS flow_log_id,
    CAST(floor(epoch(start_time) / 600) AS BIGINT) AS span,
    min(start_time) AS first_start,
    max(coalesce(end_time, start_time)) AS last_end
  FROM flows
  WHERE action IS NOT NULL
    AND interface_id IN (SELECT interface_id FROM watched)
    AND start_time IS NOT NULL
  GROUP BY interface_id, action, coalesce(flow_log_id, ''), CAST(floor(epoch(start_time) / 600) AS BIGINT)
),
reaching AS (
  SELECT
    * EXCLUDE (span),
    unnest(generate_series(span, greatest(span, CAST(floor(epoch(last_end) / 600) AS BIGINT)))) AS span
  FROM starts
),
spans AS (
  SELECT interface_id, action, flow_log_id, span, min(first_start) AS first_start, max(last_end) AS last_end
  FROM reaching
  GROUP BY interface_id, action, flow_log_id, span
)
SELECT
  poorer.interface_id,
  poorer.action,
  poorer.flow_log_id,
  poorer.span,
  min(richer.first_start) AS first_start,
  max(richer.last_end) AS last_end
FROM starts AS poorer
JOIN ranked AS poorer_log ON poorer_log.flow_log_id = poorer.flow_log_id
JOIN spans AS richer
  ON richer.interface_id = poorer.interface_id AND richer.action = poorer.action AND richer.span = poorer.span
JOIN ranked AS richer_log ON richer_log.flow_log_id = richer.flow_log_id AND richer_log.place < poorer_log.place
GROUP BY poorer.interface_id, poorer.action, poorer.flow_log_id, poorer.span
