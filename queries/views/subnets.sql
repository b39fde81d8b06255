/*
Every subnet, its route table and network ACL, and when that was so (view `networks`).
*/
SELECT
  account_id,
  region,
  vpc_id,
  subnet.subnet_id,
  subnet.az_id,
  subnet.availability_zone,
  subnet.cidrs,
  subnet.route_table_id,
  subnet.explicit,
  subnet.network_acl_id,
  subnet.map_public_ip_on_launch,
  subnet.assign_ipv6_on_creation,
  valid_from,
  valid_to
FROM networks, unnest(subnets) AS each_one(subnet)
