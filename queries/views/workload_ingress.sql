/*
The view `ingress` with the workload whose interface it was at that time, and where that is: see `workload_egress`.
*/
SELECT
  ingress.*,
  coalesce(ingress.region, nullif(whose.region, ''), home.region) AS own_region,
  coalesce(ingress.vpc_id, whose.vpc_id) AS own_vpc_id,
  whose.workload_kind,
  whose.workload,
  whose.workload_arn,
  whose.attribution
FROM ingress
LEFT JOIN interface_workloads AS whose
  ON whose.interface_id = ingress.interface_id
  AND ingress.start_time >= whose.valid_from
  AND (whose.valid_to IS NULL OR ingress.start_time < whose.valid_to)
LEFT JOIN (SELECT vpc_id, max(region) AS region FROM networks GROUP BY vpc_id) AS home ON home.vpc_id = ingress.vpc_id
