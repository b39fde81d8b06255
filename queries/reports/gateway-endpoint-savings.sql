/*---
title = "What a gateway endpoint for S3 and DynamoDB would carry for free"

[params.since]
kind = "time"
default = "-30d"
help = "From when on."

[params.until]
kind = "time"
default = "now"
help = "Until when."

[params.usd_per_gb]
kind = "number"
default = 0.045
help = "What a NAT gateway takes for a GB, in USD; 0.045 in us-east-1."
---*/
/*
What it answers: how much traffic with S3 and DynamoDB of the VPC's own region goes over something else than the free
gateway endpoint, from which subnets, and what NAT gateways took for it.

How to read it: one row for each subnet, service and path. A NAT gateway's price is for both directions, so received
bytes are shown beside sent ones; they count for the path over which most was sent to the same address. `usd` is what
NAT gateways processed, at $usd_per_gb; `usd_if_nat` is what it would be where the records do not prove the way
(`vpc_resource`, `unknown`). A GB is 10^9 bytes.

Blind spots: other regions' buckets are left out, as a gateway endpoint does not serve them, and so are records whose
own region or whose remote's region is not known. Hourly prices, data transfer and the price in other regions are not
in here. S3 that is recorded as AMAZON is not seen.
*/
WITH logs AS (
  SELECT object_key, max(region) AS region
  FROM objects
  GROUP BY object_key
),
sent AS (
  SELECT
    egress.interface_id,
    egress.vpc_id,
    egress.subnet_id,
    egress.remote_addr,
    egress.remote_service,
    egress.remote_region,
    egress.path,
    CAST(sum(egress.bytes) AS BIGINT) AS bytes,
    count(*) AS flows
  FROM egress
  LEFT JOIN logs ON logs.object_key = egress.object_key
  WHERE egress.start_time >= $since
    AND egress.start_time < $until
    AND egress.action = 'ACCEPT'
    AND egress.remote_service IN ('S3', 'DYNAMODB')
    AND egress.remote_region = coalesce(egress.region, logs.region)
    AND egress.path <> 'gateway_endpoint'
  GROUP BY
    egress.interface_id,
    egress.vpc_id,
    egress.subnet_id,
    egress.remote_addr,
    egress.remote_service,
    egress.remote_region,
    egress.path
),
ranked AS (
  SELECT
    *,
    row_number() OVER (
      PARTITION BY interface_id, remote_addr ORDER BY bytes DESC, path
    ) AS place
  FROM sent
),
received AS (
  SELECT interface_id, remote_addr, CAST(sum(bytes) AS BIGINT) AS bytes
  FROM ingress
  WHERE start_time >= $since
    AND start_time < $until
    AND action = 'ACCEPT'
  GROUP BY interface_id, remote_addr
),
totals AS (
  SELECT
    ranked.vpc_id,
    ranked.subnet_id,
    ranked.remote_service AS service,
    ranked.remote_region AS region,
    ranked.path,
    count(DISTINCT ranked.interface_id) AS interfaces,
    CAST(sum(ranked.bytes) AS BIGINT) AS bytes_sent,
    CAST(sum(coalesce(received.bytes, 0)) AS BIGINT) AS bytes_received,
    CAST(sum(ranked.flows) AS BIGINT) AS flows
  FROM ranked
  LEFT JOIN received
    ON ranked.place = 1
    AND received.interface_id = ranked.interface_id
    AND received.remote_addr = ranked.remote_addr
  GROUP BY
    ranked.vpc_id,
    ranked.subnet_id,
    ranked.remote_service,
    ranked.remote_region,
    ranked.path
)
SELECT
  *,
  CASE WHEN path = 'nat_gateway'
    THEN round((bytes_sent + bytes_received) / 1000000000.0 * $usd_per_gb, 2)
  END AS usd,
  CASE WHEN path IN ('vpc_resource', 'unknown')
    THEN round((bytes_sent + bytes_received) / 1000000000.0 * $usd_per_gb, 2)
  END AS usd_if_nat
FROM totals
ORDER BY bytes_sent + bytes_received DESC, subnet_id, service, path
