/*
What NAT gateways recorded of conversations from inside: who spoke to whom from which port, in spans of five minutes
that a record of the same conversation may have begun in; `vpc_ids` are those it was recorded in, '' where the record
does not tell. A zonal gateway's record has the workload for its source and the packet's destination beside its own
address, a regional one's names the destination itself (VPC User Guide, "Flow log record examples"). Only recorders that
are known to be NAT gateways count.
*/
WITH records AS (
  SELECT
    coalesce(vpc_id, '') AS vpc_id,
    srcaddr AS local_addr,
    srcport AS local_port,
    coalesce(pkt_dstaddr, dstaddr) AS remote_addr,
    dstport AS remote_port,
    protocol,
    start_time,
    coalesce(end_time, start_time) AS end_time
  FROM flows
  WHERE vantage IN ('nat_gateway', 'regional_nat_gateway')
    AND srcaddr IS NOT NULL
    AND start_time IS NOT NULL
    AND (pkt_dstaddr <> dstaddr OR resource_id IS NOT NULL)
),
spanned AS (
  SELECT
    *,
    unnest(generate_series(
      CAST(floor((epoch(start_time) - 60) / 300) AS BIGINT), CAST(floor((epoch(end_time) + 60) / 300) AS BIGINT)
    )) AS span
  FROM records
)
SELECT
  local_addr,
  local_port,
  remote_addr,
  remote_port,
  protocol,
  span,
  list(DISTINCT vpc_id) AS vpc_ids,
  min(start_time) AS first_start,
  max(end_time) AS last_end
FROM spanned
GROUP BY local_addr, local_port, remote_addr, remote_port, protocol, span
