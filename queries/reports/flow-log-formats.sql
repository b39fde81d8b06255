/*---
title = "Formats of flow logs, and what they lack"
---*/
/*
What it answers: which flow logs there are, whether they deliver, and which fields that verdicts rest on they lack.

How to read it: one row for each flow log that the inventory knows or whose records are in the lake. `lacks` are fields
that its format does not name, where the format is known. `never_set` are those that no record of it ever had, which
may also mean that there was nothing to say. traffic-path, flow-direction and the next-hop fields decide paths;
pkt-dst-aws-service tells S3.

Blind spots: a flow log of another account is not in the inventory's list, so its format is known by its records only.
Records without a flow log id (their object's name did not say) are one row without an id.
*/
WITH wanted AS (
  SELECT field
  FROM (
    VALUES
      ('pkt-srcaddr'), ('pkt-dstaddr'), ('pkt-dst-aws-service'),
      ('flow-direction'), ('traffic-path'), ('tcp-flags'), ('vpc-id'),
      ('subnet-id'), ('region'), ('reject-reason'), ('interface-type'),
      ('next-hop-interface-id'), ('next-hop-interface-type')
  ) AS fields(field)
),
newest AS (
  SELECT
    *,
    row_number() OVER (
      PARTITION BY flow_log_id ORDER BY valid_from DESC
    ) AS age
  FROM flow_logs
),
lacking AS (
  SELECT
    newest.flow_log_id,
    list(wanted.field) AS lacks
  FROM newest
  JOIN wanted
    ON strpos(newest.format, concat('${', wanted.field, '}')) = 0
  WHERE newest.age = 1
    AND newest.format <> ''
  GROUP BY newest.flow_log_id
),
recorded AS (
  SELECT
    coalesce(flow_log_id, '') AS flow_log_id,
    max(version) AS version,
    count(*) AS records,
    max(coalesce(end_time, start_time)) AS last_record,
    count(pkt_srcaddr) AS pkt_srcaddr,
    count(pkt_dstaddr) AS pkt_dstaddr,
    count(pkt_dst_aws_service) AS pkt_dst_aws_service,
    count(flow_direction) AS flow_direction,
    count(traffic_path) AS traffic_path,
    count(tcp_flags) AS tcp_flags,
    count(vpc_id) AS vpc_id,
    count(subnet_id) AS subnet_id,
    count(region) AS region,
    count(reject_reason) AS reject_reason,
    count(interface_type) AS interface_type,
    count(next_hop_interface_id) AS next_hop_interface_id,
    count(next_hop_interface_type) AS next_hop_interface_type
  FROM flows
  GROUP BY coalesce(flow_log_id, '')
),
unset AS (
  SELECT
    recorded.flow_log_id,
    list(wanted.field) AS never_set
  FROM recorded
  CROSS JOIN wanted
  WHERE CASE wanted.field
      WHEN 'pkt-srcaddr' THEN recorded.pkt_srcaddr
      WHEN 'pkt-dstaddr' THEN recorded.pkt_dstaddr
      WHEN 'pkt-dst-aws-service' THEN recorded.pkt_dst_aws_service
      WHEN 'flow-direction' THEN recorded.flow_direction
      WHEN 'traffic-path' THEN recorded.traffic_path
      WHEN 'tcp-flags' THEN recorded.tcp_flags
      WHEN 'vpc-id' THEN recorded.vpc_id
      WHEN 'subnet-id' THEN recorded.subnet_id
      WHEN 'region' THEN recorded.region
      WHEN 'reject-reason' THEN recorded.reject_reason
      WHEN 'interface-type' THEN recorded.interface_type
      WHEN 'next-hop-interface-id' THEN recorded.next_hop_interface_id
      WHEN 'next-hop-interface-type' THEN recorded.next_hop_interface_type
    END = 0
  GROUP BY recorded.flow_log_id
)
SELECT
  coalesce(newest.flow_log_id, recorded.flow_log_id) AS flow_log_id,
  newest.resource_id,
  newest.traffic_type,
  newest.status,
  newest.delivery_status,
  newest.delivery_error,
  newest.max_aggregation_interval,
  recorded.version,
  recorded.records,
  recorded.last_record,
  lacking.lacks,
  unset.never_set
FROM (SELECT * FROM newest WHERE age = 1) AS newest
FULL OUTER JOIN recorded ON recorded.flow_log_id = newest.flow_log_id
LEFT JOIN lacking ON lacking.flow_log_id = newest.flow_log_id
LEFT JOIN unset ON unset.flow_log_id = recorded.flow_log_id
ORDER BY coalesce(newest.flow_log_id, recorded.flow_log_id)
