/*---
title = "AWS service reached over the internet instead of a VPC endpoint"
severity = "medium"
attack = ["T1567"]
every = "1m"
window = "1h"
key = ["interface_id", "remote_service"]
needs = ["interface_id", "srcaddr", "dstaddr", "start_time", "action", "traffic_path", "pkt_dst_aws_service"]
says = "{interface_id} sent {bytes} to {remotes:address|addresses} of {remote_service} by {paths} from {first_seen} to {last_seen}"

[params]
# Services that have VPC endpoints, by their codes in flow logs. S3 has detectors of its own. Codes that stand for what
# customers run (EC2, CLOUDFRONT, GLOBALACCELERATOR) have none.
services = ["AMAZON", "AMAZON_APPFLOW", "API_GATEWAY", "AURORA_DSQL", "CODEBUILD", "DYNAMODB", "EBS", "EFS"]
# Every way that leads to the internet. `vpc_resource` and `unknown` may or may not: see path-undecided.
internet_ways = [
  "nat_gateway",
  "internet_gateway",
  "egress_only_internet_gateway",
  "transit_gateway",
  "middlebox",
  "virtual_private_gateway",
  "vpc_peering",
  "local_zone",
]
top = 10
---*/
/*
What it means: an interface reached an AWS service at its public addresses. `endpoints` names the VPC endpoints that the
VPC has for it, of all services where the code is AMAZON: if there are some, the traffic went past them and past their
policies; if none, there is nothing yet that could limit which account's resources it reaches.

What to do: with an endpoint, turn on its private DNS, and see that its security group lets the workload in and that the
client asks for the regional name. Without one, make it: an interface endpoint for the service that the client speaks
to (sagemaker.api, sts, logs, ecr.api …), for DYNAMODB a gateway endpoint; then restrict its policy.

Blind spots: AMAZON is all that has no code of its own: mostly AWS's APIs, of which not every one has an endpoint; which
one it was only names could tell (Route 53 Resolver query logs). Without pkt-dst-aws-service (version 5) the service is
from AWS's published ranges. `endpoints` is empty, too, where the inventory does not know the VPC.
*/
WITH remotes AS (
  SELECT
    interface_id,
    remote_service,
    remote_addr,
    remote_port,
    min(start_time) AS first_seen,
    max(coalesce(end_time, start_time)) AS last_seen,
    count(*) AS flows,
    CAST(sum(coalesce(bytes, 0)) AS BIGINT) AS bytes,
    max(account_id) AS account_id,
    max(own_vpc_id) AS vpc_id,
    max(subnet_id) AS subnet_id,
    max(own_region) AS region,
    min_by(workload_kind, start_time) AS workload_kind,
    min_by(workload, start_time) AS workload,
    min_by(workload_arn, start_time) AS workload_arn,
    min_by(path, start_time) AS path
  FROM workload_egress
  WHERE start_time >= $since
    AND start_time < $until
    AND action = 'ACCEPT'
    AND list_contains($services, remote_service)
    AND list_contains($internet_ways, path)
  GROUP BY interface_id, remote_service, remote_addr, remote_port
),
ranked AS (
  SELECT
    remotes.*,
    row_number() OVER (
      PARTITION BY interface_id, remote_service ORDER BY bytes DESC, flows DESC, remote_addr, remote_port
    ) AS place
  FROM remotes
),
seen AS (
  SELECT
    interface_id,
    remote_service,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen,
    CAST(sum(flows) AS BIGINT) AS flows,
    CAST(sum(bytes) AS BIGINT) AS bytes,
    max(account_id) AS account_id,
    max(vpc_id) AS vpc_id,
    max(subnet_id) AS subnet_id,
    max(region) AS region,
    min_by(workload_kind, first_seen) AS workload_kind,
    min_by(workload, first_seen) AS workload,
    min_by(workload_arn, first_seen) AS workload_arn,
    list(DISTINCT path) AS paths,
    count(DISTINCT remote_addr) AS remotes,
    list(struct_pack(
      address := CAST(remote_addr AS VARCHAR),
      port := CAST(remote_port AS INTEGER),
      bytes := CAST(bytes AS BIGINT),
      flows := CAST(flows AS BIGINT)
    )) FILTER (WHERE place <= $top) AS top_remotes
  FROM ranked
  GROUP BY interface_id, remote_service
),
serving AS (
  SELECT seen.interface_id, seen.remote_service, list(DISTINCT endpoints.service) AS endpoints
  FROM seen
  JOIN service_endpoints AS known ON known.code = seen.remote_service
  JOIN endpoints
    ON endpoints.vpc_id = seen.vpc_id
    AND seen.first_seen >= endpoints.valid_from
    AND (endpoints.valid_to IS NULL OR seen.first_seen < endpoints.valid_to)
  WHERE endpoints.service LIKE concat('%.', known.endpoint)
    OR (known.endpoint IS NULL AND endpoints.type = 'Interface')
  GROUP BY seen.interface_id, seen.remote_service
)
SELECT seen.*, serving.endpoints
FROM seen
LEFT JOIN serving ON serving.interface_id = seen.interface_id AND serving.remote_service = seen.remote_service
