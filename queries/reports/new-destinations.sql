/*---
title = "Destinations that nobody, or not this workload, spoke to before"

[params.since]
kind = "time"
default = "-1d"
help = "From when on a destination is new."

[params.until]
kind = "time"
default = "now"
help = "Until when."

[params.past]
kind = "time"
default = "-15d"
help = "From when on one is known: from here to since."
---*/
/*
What it answers: which destinations outside private networks came up in the last days and had not been spoken to in the
days before.

How to read it: one row for each workload (or interface, where the workload is not known), destination and path.
`known_to` is how many others spoke to it in the days before: 0 is new to everybody. AWS's own addresses count as their
service and region. Accepted egress, each byte once.

Blind spots: a workload that is new itself has new destinations only. What was not collected in the days before looks
new. Answers to callers from outside are egress too; they go to a high port (`lowest_port`).
*/
WITH spoken AS (
  SELECT
    coalesce(workload, interface_id) AS who,
    CASE
      WHEN remote_service IS NULL THEN remote_addr
      ELSE concat(remote_service, ' ', coalesce(remote_region, ''))
    END AS remote,
    path, remote_port, start_time, bytes
  FROM workload_egress
  WHERE start_time >= $past
    AND start_time < $until
    AND action = 'ACCEPT'
    AND remote_scope = 'public'
),
known AS (
  SELECT who, remote
  FROM spoken
  WHERE start_time < $since
  GROUP BY who, remote
),
fame AS (
  SELECT remote, count(*) AS known_to
  FROM known
  GROUP BY remote
)
SELECT
  spoken.who,
  spoken.remote,
  spoken.path,
  min(spoken.remote_port) AS lowest_port,
  min(spoken.start_time) AS first_seen,
  max(spoken.start_time) AS last_seen,
  count(*) AS flows,
  CAST(sum(spoken.bytes) AS BIGINT) AS bytes,
  coalesce(max(fame.known_to), 0) AS known_to
FROM spoken
LEFT JOIN known ON known.who = spoken.who AND known.remote = spoken.remote
LEFT JOIN fame ON fame.remote = spoken.remote
WHERE spoken.start_time >= $since
  AND known.who IS NULL
GROUP BY spoken.who, spoken.remote, spoken.path
ORDER BY known_to, bytes DESC, spoken.who, spoken.remote, spoken.path
