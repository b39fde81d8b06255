/*
Every CIDR of the prefix lists that matter to a VPC, and when that was so (view `networks`).
*/
SELECT
  account_id,
  region,
  vpc_id,
  list_.prefix_list_id,
  list_.name,
  list_.owner_id,
  cidr,
  valid_from,
  valid_to
FROM networks, unnest(prefix_lists) AS each_list(list_), unnest(list_.cidrs) AS each_cidr(cidr)
