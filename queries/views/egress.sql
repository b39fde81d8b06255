/*
What workloads' own interfaces sent or tried to send, accepted and rejected: every byte at one vantage point.
Only records with traffic have a direction, so NODATA and SKIPDATA are not among these.
*/
SELECT *
FROM flows
WHERE direction = 'egress'
  AND vantage IS NULL
  AND NOT EXISTS (SELECT 1 FROM transit_interfaces AS transit WHERE transit.interface_id = flows.interface_id)
