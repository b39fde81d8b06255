/*
Every VPC endpoint, and when that was so (view `networks`).
*/
SELECT
  account_id,
  region,
  vpc_id,
  endpoint.endpoint_id,
  endpoint.type,
  endpoint.service,
  endpoint.state,
  endpoint.policy,
  endpoint.private_dns,
  endpoint.route_table_ids,
  endpoint.subnet_ids,
  endpoint.interface_ids,
  endpoint.addresses,
  endpoint.security_groups,
  valid_from,
  valid_to
FROM networks, unnest(endpoints) AS each_one(endpoint)
