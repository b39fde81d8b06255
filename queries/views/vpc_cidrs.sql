/*
Every CIDR of every VPC, and when that was so (view `networks`); `first_ip` and `last_ip` are its ends as numbers,
null where it is IPv6.
*/
SELECT
  account_id,
  region,
  vpc_id,
  cidr,
  network AS first_ip,
  network + CAST(power(2, 32 - CAST(split_part(cidr, '/', 2) AS INTEGER)) AS BIGINT) - 1 AS last_ip,
  valid_from,
  valid_to
FROM (
  SELECT
    *,
    TRY_CAST(split_part(cidr, '.', 1) AS BIGINT) * 16777216
    + TRY_CAST(split_part(cidr, '.', 2) AS BIGINT) * 65536
    + TRY_CAST(split_part(cidr, '.', 3) AS BIGINT) * 256
    + TRY_CAST(split_part(split_part(cidr, '.', 4), '/', 1) AS BIGINT) AS network
  FROM networks, unnest(cidrs) AS each_one(cidr)
) AS numbered
