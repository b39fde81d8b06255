/*
Every way out of a VPC (internet, NAT, transit, private gateways, peerings), and when that was so (view `networks`).
*/
SELECT
  account_id,
  region,
  vpc_id,
  gateway.kind,
  gateway.gateway_id,
  gateway.state,
  gateway.subnet_id,
  gateway.interface_ids,
  gateway.private_addresses,
  gateway.public_addresses,
  gateway.connectivity,
  gateway.availability,
  gateway.peer,
  valid_from,
  valid_to
FROM networks, unnest(gateways) AS each_one(gateway)
