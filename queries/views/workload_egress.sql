/*
The view `egress` with the workload whose interface it was at that time: `workload_kind`, `workload`, `workload_arn`,
`attribution` (how that is known); null where it is not known.
*/
SELECT egress.*, whose.workload_kind, whose.workload, whose.workload_arn, whose.attribution
FROM egress
LEFT JOIN interface_workloads AS whose
  ON whose.interface_id = egress.interface_id
  AND egress.start_time >= whose.valid_from
  AND (whose.valid_to IS NULL OR egress.start_time < whose.valid_to)
