/*
Every rule of every security group, and when that was so (view `networks`).
*/
SELECT
  account_id,
  region,
  vpc_id,
  security_group.group_id,
  security_group.name,
  rule.egress,
  rule.protocol,
  rule.from_port,
  rule.to_port,
  rule.peer,
  valid_from,
  valid_to
FROM
  networks, unnest(security_groups) AS each_group(security_group), unnest(security_group.rules) AS each_rule(rule)
