/*
Every route of every route table, and when that was so (view `networks`).
*/
SELECT
  account_id,
  region,
  vpc_id,
  route_table.route_table_id,
  route_table.main,
  route.destination,
  route.target,
  route.state,
  route.origin,
  valid_from,
  valid_to
FROM networks, unnest(route_tables) AS each_table(route_table), unnest(route_table.routes) AS each_route(route)
