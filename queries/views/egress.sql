/*
What workloads' own interfaces sent or tried to send, accepted and rejected: every byte at one vantage point, once.
Only records with traffic have a direction, so NODATA and SKIPDATA are not among these. Where nothing stronger decided
the path, a NAT gateway's own record of the same conversation, whenever it arrived, proves it (`nat_record`).
*/
SELECT judged.* EXCLUDE (by_nat) REPLACE (
    CASE WHEN by_nat THEN 'nat_gateway' ELSE path END AS path,
    CASE WHEN by_nat THEN 'nat_record' ELSE path_evidence END AS path_evidence
  )
FROM (
  SELECT
    flows.*,
    -- Not in the join itself, whose conditions are to be such as can be hashed: there is one row at most to a record.
    nat.span IS NOT NULL
    AND (flows.path IN ('unknown', 'vpc_resource') OR flows.path_evidence IN ('routes', 'routes_assumed'))
    AND (flows.vpc_id IS NULL OR list_contains(nat.vpc_ids, flows.vpc_id) OR list_contains(nat.vpc_ids, '')) AS by_nat
  FROM flows
  LEFT JOIN nat_conversations AS nat
    ON nat.local_addr = flows.local_addr
    AND nat.local_port = flows.srcport
    AND nat.remote_addr = flows.remote_addr
    AND nat.remote_port = flows.remote_port
    AND nat.protocol = flows.protocol
    AND nat.span = CAST(floor(epoch(flows.start_time) / 300) AS BIGINT)
    AND nat.first_start <= coalesce(flows.end_time, flows.start_time) + INTERVAL 60 SECOND
    AND nat.last_end >= flows.start_time - INTERVAL 60 SECOND
  WHERE flows.direction = 'egress'
    AND flows.vantage IS NULL
    AND NOT EXISTS (SELECT 1 FROM transit_interfaces AS transit WHERE transit.interface_id = flows.interface_id)
    AND NOT EXISTS (
      SELECT 1
      FROM recorded_twice AS twice
      WHERE twice.interface_id = flows.interface_id
        AND twice.action = flows.action
        AND twice.flow_log_id = coalesce(flows.flow_log_id, '')
        AND twice.span = CAST(floor(epoch(flows.start_time) / 600) AS BIGINT)
        AND flows.start_time BETWEEN twice.first_start AND twice.last_end
    )
) AS judged
