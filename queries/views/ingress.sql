/*
What workloads' own interfaces received, or what was sent to them and refused: the counterpart of the view `egress`,
every byte once. These records have no path: only the sender's have one (VPC User Guide, "Flow log records").
*/
SELECT flows.*
FROM flows
WHERE flows.direction = 'ingress'
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
