/*
The view `egress` with the workload whose interface it was at that time: `workload_kind`, `workload`, `workload_arn`,
`attribution` (how that is known; null: the interface is not known to be SageMaker's); and with where the interface is,
as recorded, else as the inventory has it: `own_region`, `own_vpc_id`. Null where it is not known.
*/
SELECT
  egress.*,
  coalesce(egress.region, nullif(whose.region, ''), home.region) AS own_region,
  coalesce(egress.vpc_id, whose.vpc_id) AS own_vpc_id,
  whose.workload_kind,
  whose.workload,
  whose.workload_arn,
  whose.attribution
FROM egress
LEFT JOIN interface_workloads AS whose
  ON whose.interface_id = egress.interface_id
  AND egress.start_time >= whose.valid_from
  AND (whose.valid_to IS NULL OR egress.start_time < whose.valid_to)
LEFT JOIN (SELECT vpc_id, max(region) AS region FROM networks GROUP BY vpc_id) AS home ON home.vpc_id = egress.vpc_id
