/*
Every entry of every network ACL, in the order of its number, and when that was so (view `networks`).
*/
SELECT
  account_id,
  region,
  vpc_id,
  network_acl.network_acl_id,
  network_acl."default" AS is_default,
  entry.number,
  entry.egress,
  entry.action,
  entry.protocol,
  entry.cidr,
  entry.from_port,
  entry.to_port,
  valid_from,
  valid_to
FROM networks, unnest(network_acls) AS each_acl(network_acl), unnest(network_acl.entries) AS each_entry(entry)
