/*---
title = "Interfaces with traffic and without a workload"

[params.since]
kind = "time"
default = "-7d"
help = "From when on."

[params.until]
kind = "time"
default = "now"
help = "Until when."
---*/
/*
What it answers: whose traffic is not known: interfaces that sent something and belong to no known workload.

How to read it: one row for each interface, the heaviest first. `owner` is what the inventory takes it for; empty: the
inventory never saw it. `evidence` says what that rests on. What is no SageMaker workload's (an instance's, a load
balancer's) has an owner and no workload, and is in here as well, as scope is a matter of collecting.

Blind spots: interfaces without any record. NAT gateways and other interfaces that pass on traffic are left out.
*/
WITH traffic AS (
  SELECT
    interface_id,
    max(account_id) AS account_id,
    max(vpc_id) AS vpc_id,
    max(subnet_id) AS subnet_id,
    count(DISTINCT remote_addr) AS remotes,
    min(start_time) AS first_seen,
    max(coalesce(end_time, start_time)) AS last_seen,
    count(*) AS flows,
    CAST(sum(bytes) AS BIGINT) AS bytes
  FROM workload_egress
  WHERE start_time >= $since
    AND start_time < $until
    AND workload IS NULL
  GROUP BY interface_id
),
ranked AS (
  SELECT
    interface_id, owner, description, evidence, candidates,
    row_number() OVER (
      PARTITION BY interface_id ORDER BY valid_from DESC
    ) AS age
  FROM interface_history
)
SELECT
  traffic.*,
  ranked.owner,
  ranked.description,
  ranked.evidence,
  ranked.candidates
FROM traffic
LEFT JOIN ranked
  ON ranked.interface_id = traffic.interface_id AND ranked.age = 1
ORDER BY traffic.bytes DESC, traffic.interface_id
