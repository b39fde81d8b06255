/*---
title = "Routes of a subnet, and when they held"

[params.subnet]
kind = "subnet"
help = "The subnet."
---*/
/*
What it answers: over which routes a subnet's traffic could go at any time, and what changed.

How to read it: one row for each route and span. `valid_to` is empty while it holds. `explicit` is false where the
subnet follows the VPC's main route table. A change came about at some time between two looks at AWS and counts from
the look that found it; before the first look the first state is assumed.

Blind spots: a route that came and went between two looks was never seen. CloudTrail knows who changed it.
*/
WITH held AS (
  SELECT
    subnets.vpc_id,
    subnets.subnet_id,
    subnets.route_table_id,
    subnets.explicit,
    routes.destination,
    routes.target,
    routes.state,
    subnets.valid_from,
    subnets.valid_to
  FROM subnets
  JOIN routes
    ON routes.account_id = subnets.account_id
    AND routes.vpc_id = subnets.vpc_id
    AND routes.route_table_id = subnets.route_table_id
    AND routes.valid_from = subnets.valid_from
  WHERE subnets.subnet_id = $subnet
),
followed AS (
  SELECT
    *,
    lag(valid_to) OVER (
      PARTITION BY route_table_id, explicit, destination, target, state
      ORDER BY valid_from
    ) AS valid_before
  FROM held
),
numbered AS (
  SELECT
    *,
    sum(CASE WHEN valid_before = valid_from THEN 0 ELSE 1 END) OVER (
      PARTITION BY route_table_id, explicit, destination, target, state
      ORDER BY valid_from
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS stretch
  FROM followed
)
SELECT
  vpc_id,
  subnet_id,
  route_table_id,
  explicit,
  destination,
  target,
  state,
  min(valid_from) AS valid_from,
  CASE WHEN count(*) = count(valid_to) THEN max(valid_to) END AS valid_to
FROM numbered
GROUP BY
  vpc_id, subnet_id, route_table_id, explicit, destination, target, state,
  stretch
ORDER BY valid_from, route_table_id, destination, target
