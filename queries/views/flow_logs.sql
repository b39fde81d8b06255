/*
Every flow log, what it watches and in which format, and when that was so (view `networks`).
*/
SELECT
  account_id,
  region,
  vpc_id,
  flow_log.flow_log_id,
  flow_log.resource_id,
  flow_log.traffic_type,
  flow_log.status,
  flow_log.delivery_status,
  flow_log.delivery_error,
  flow_log.destination_type,
  flow_log.destination,
  flow_log.format,
  flow_log.max_aggregation_interval,
  valid_from,
  valid_to
FROM networks, unnest(flow_logs) AS each_one(flow_log)
