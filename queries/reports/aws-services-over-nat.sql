/*---
title = "AWS services that are reached over NAT gateways"

[params.since]
kind = "time"
default = "-7d"
help = "From when on."

[params.until]
kind = "time"
default = "now"
help = "Until when."

[params.paths]
kind = "list"
default = ["nat_gateway"]
help = "Ways that count."
---*/
/*
What it answers: which AWS services, in which regions, workloads reach over a NAT gateway, though an interface endpoint
could keep that traffic in the VPC.

How to read it: one row for each service, region and path, accepted egress only, each byte once. S3 and DynamoDB have a
free gateway endpoint: gateway-endpoint-savings has them. Whether there is an interface endpoint for a service, and
whether it costs less, is not in here.

Blind spots: AWS publishes ranges for few services by name; all others (SageMaker, CloudWatch, ECR, STS) are `AMAZON` or
`EC2`. Records whose path is not proven (`vpc_resource`) count only if $paths names it.
*/
SELECT
  remote_service AS service,
  remote_region AS region,
  path,
  count(DISTINCT interface_id) AS interfaces,
  count(DISTINCT workload_arn) AS workloads,
  count(DISTINCT remote_addr) AS remotes,
  CAST(sum(bytes) AS BIGINT) AS bytes,
  count(*) AS flows
FROM workload_egress
WHERE start_time >= $since
  AND start_time < $until
  AND action = 'ACCEPT'
  AND list_contains($paths, path)
  AND remote_service IS NOT NULL
  AND remote_service NOT IN ('S3', 'DYNAMODB')
GROUP BY remote_service, remote_region, path
ORDER BY bytes DESC, service, region, path
