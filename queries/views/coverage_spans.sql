/*
Which minutes of each SageMaker interface's life flow logs tell of: spans of whole minutes, `since` (in it) to `until`
(not in it), each in one `state`, with `why` it is no better.

skipped: a SKIPDATA record spans it. covered: a record of a flow log of all traffic tells of it, NODATA too. missing: it
should have been logged, and nothing arrived in time. pending: as that, but it may still arrive (`coverage_terms`).
not_monitored: no flow log was there, or none that records and delivers all traffic.

A record has the times of its first and last packet, and belongs to an aggregation interval (60 or 600 s, unknown: 600)
that is longer: it tells of what lies less than one interval after its start or before its end. What is left between two
records is a gap if it is longer than a minute, which is how far times may be off.

An interface lives while AWS lists it as attached, and where records tell of it before or after; its end is when it was
last seen to be there, its beginning when it was attached, if AWS told. Where there is no inventory, the interfaces are
those in the records, from the first record to the last.
*/
WITH terms AS (
  SELECT
    CAST(floor(epoch(moment) / 60) AS BIGINT) * 60 AS instant,
    CAST(epoch(moment) - epoch(allowance) AS BIGINT) AS settled
  FROM (SELECT moment, TIMESTAMPTZ '1970-01-01 00:00:00+00' + allowance AS allowance FROM coverage_terms) AS told
),
known AS (
  SELECT
    interface_id,
    arg_max(owner, observed_at) AS owner,
    arg_max(vpc_id, observed_at) AS vpc_id,
    arg_max(subnet_id, observed_at) AS subnet_id
  FROM interfaces
  GROUP BY interface_id
),
inventory AS (
  SELECT count(*) > 0 AS is_there
  FROM (
    SELECT 1 FROM topology
    UNION ALL
    SELECT 1 FROM interfaces WHERE status IS DISTINCT FROM 'seen_in_logs'
  ) AS looked
),
logs AS (
  SELECT
    flow_log_id,
    coalesce(max(max_aggregation_interval), 600) AS length,
    bool_or(traffic_type NOT IN ('ALL', '')) AS is_partial
  FROM flow_logs
  GROUP BY flow_log_id
),
-- Records by the hour; an hour in which they begin in minute after minute is one stretch, others are looked at by minute.
hours AS MATERIALIZED (
  SELECT
    interface_id,
    coalesce(flow_log_id, '') AS flow_log_id,
    coalesce(log_status, 'OK') = 'SKIPDATA' AS is_skipped,
    epoch_ms(start_time) // 3600000 AS hour,
    bit_count(bit_or(CAST(1 AS BIGINT) << (epoch_ms(start_time) // 60000 % 60)))
    > max(epoch_ms(start_time)) // 60000 - min(epoch_ms(start_time)) // 60000 AS is_whole,
    min(epoch_ms(start_time)) // 1000 AS first_start,
    max(epoch_ms(start_time)) // 1000 AS last_start,
    min(epoch_ms(greatest(end_time, start_time))) // 1000 AS first_end,
    max(epoch_ms(greatest(end_time, start_time))) // 1000 AS last_end,
    max(vpc_id) AS vpc_id,
    max(subnet_id) AS subnet_id
  FROM flows
  WHERE start_time IS NOT NULL
    AND (
      interface_id IN (SELECT known.interface_id FROM known WHERE known.owner = 'sagemaker')
      OR (
        NOT (SELECT inventory.is_there FROM inventory)
        AND interface_id NOT IN (SELECT known.interface_id FROM known WHERE known.owner <> 'unknown')
        AND interface_id NOT IN (SELECT transit.interface_id FROM transit_interfaces AS transit)
      )
    )
  GROUP BY ALL
),
recorded AS (
  SELECT interface_id, flow_log_id, is_skipped, first_start, last_start, first_end, last_end
  FROM hours
  WHERE is_whole AND NOT is_skipped
  UNION ALL
  SELECT
    flows.interface_id,
    hours.flow_log_id,
    hours.is_skipped,
    min(epoch_ms(flows.start_time)) // 1000,
    max(epoch_ms(flows.start_time)) // 1000,
    min(epoch_ms(greatest(flows.end_time, flows.start_time))) // 1000,
    max(epoch_ms(greatest(flows.end_time, flows.start_time))) // 1000
  FROM flows
  JOIN hours
    ON hours.interface_id = flows.interface_id
    AND hours.flow_log_id = coalesce(flows.flow_log_id, '')
    AND hours.is_skipped = (coalesce(flows.log_status, 'OK') = 'SKIPDATA')
    AND hours.hour = epoch_ms(flows.start_time) // 3600000
  WHERE hours.is_skipped OR NOT hours.is_whole
  GROUP BY flows.interface_id, hours.flow_log_id, hours.is_skipped, epoch_ms(flows.start_time) // 60000
),
observed AS (
  SELECT
    *,
    lead(observed_at) OVER history AS next_at,
    lead(present) OVER history AS next_present,
    lead(not_before) OVER history AS next_not_before
  FROM interfaces
  WHERE interface_id IN (SELECT known.interface_id FROM known WHERE known.owner = 'sagemaker')
  WINDOW history AS (PARTITION BY interface_id ORDER BY observed_at)
),
listed AS (
  SELECT
    interface_id,
    CASE WHEN attached_at <= observed_at THEN greatest(epoch(attached_at), coalesce(epoch(not_before), 0))
      ELSE epoch(observed_at) END AS since,
    CASE WHEN next_at IS NULL THEN terms.instant
      WHEN next_present THEN epoch(next_at)
      ELSE epoch(greatest(coalesce(next_not_before, observed_at), observed_at)) END AS until
  FROM observed, terms
  WHERE present
    AND status IS DISTINCT FROM 'seen_in_logs'
    AND (attached_at IS NOT NULL OR status IS DISTINCT FROM 'available')
),
told AS (
  SELECT
    interface_id,
    min(first_start) AS since,
    max(last_end) AS until,
    max(vpc_id) AS vpc_id,
    max(subnet_id) AS subnet_id
  FROM hours
  GROUP BY interface_id
),
extent AS (
  SELECT interface_id, min(since) AS since, max(until) AS until FROM listed GROUP BY interface_id
),
lives AS (
  SELECT interface_id, since, until FROM listed
  UNION ALL
  SELECT told.interface_id, told.since, coalesce(extent.since, told.until)
  FROM told
  LEFT JOIN extent ON extent.interface_id = told.interface_id
  UNION ALL
  SELECT told.interface_id, extent.until, told.until
  FROM told
  JOIN extent ON extent.interface_id = told.interface_id
),
places AS (
  SELECT
    coalesce(known.interface_id, told.interface_id) AS interface_id,
    coalesce(known.vpc_id, told.vpc_id) AS vpc_id,
    coalesce(known.subnet_id, told.subnet_id) AS subnet_id
  FROM (SELECT * FROM known WHERE owner = 'sagemaker') AS known
  FULL JOIN told ON told.interface_id = known.interface_id
),
watched AS (
  SELECT
    places.interface_id,
    watching.flow_log_id || ' delivered nothing' AS flow_log,
    coalesce(watching.max_aggregation_interval, 600) AS length,
    CASE WHEN watching.traffic_type NOT IN ('ALL', '')
        THEN watching.flow_log_id || ' records ' || watching.traffic_type || ' only'
      WHEN watching.status NOT IN ('ACTIVE', '') THEN watching.flow_log_id || ' is ' || watching.status
      WHEN watching.delivery_status = 'FAILED'
        THEN 'delivery of ' || watching.flow_log_id || ' fails' || coalesce(': ' || watching.delivery_error, '')
      END AS lack,
    epoch(watching.valid_from) AS since,
    epoch(watching.valid_to) AS until
  FROM (
    SELECT interface_id, unnest(list_distinct([interface_id, subnet_id, vpc_id])) AS resource_id FROM places
  ) AS places
  JOIN flow_logs AS watching ON watching.resource_id = places.resource_id
  UNION ALL
  -- Where nobody could ask for flow logs, one is presumed: silence is then told of.
  SELECT
    places.interface_id,
    'nothing arrived; whether there is a flow log is not known',
    600,
    NULL,
    coalesce(epoch(unasked.valid_from), 0),
    epoch(unasked.valid_to)
  FROM places
  LEFT JOIN networks AS unasked ON unasked.vpc_id = places.vpc_id
  WHERE unasked.vpc_id IS NULL OR list_contains(unasked.unknown, 'flow_logs')
),
reaches AS (
  SELECT
    recorded.interface_id,
    least(first_start, first_end - coalesce(logs.length, 600)) AS since,
    greatest(last_end, last_start + coalesce(logs.length, 600)) AS until
  FROM recorded
  LEFT JOIN logs ON logs.flow_log_id = recorded.flow_log_id
  WHERE NOT is_skipped AND logs.is_partial IS NOT TRUE
),
islands AS (
  SELECT
    interface_id,
    since,
    coalesce(lead(reached) OVER (PARTITION BY interface_id ORDER BY since), farthest) AS until
  FROM (
    SELECT
      *,
      max(until) OVER (
        PARTITION BY interface_id ORDER BY since, until ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
      ) AS reached,
      max(until) OVER (PARTITION BY interface_id) AS farthest
    FROM reaches
  ) AS each_one
  WHERE reached IS NULL OR since > reached
),
layers AS MATERIALIZED (
  SELECT
    recorded.interface_id,
    1 AS place,
    first_start // 60 * 60 AS since,
    (last_end // 60 + 1) * 60 AS until,
    'SKIPDATA: AWS left records out' AS why
  FROM recorded
  LEFT JOIN logs ON logs.flow_log_id = recorded.flow_log_id
  WHERE is_skipped AND logs.is_partial IS NOT TRUE
  UNION ALL
  SELECT interface_id, 2, since, until, NULL FROM islands
  UNION ALL
  SELECT interface_id, 3, since, least(coalesce(until, instant), (settled - length) // 60 * 60), flow_log
  FROM watched, terms
  WHERE lack IS NULL
  UNION ALL
  SELECT interface_id, 4, since, coalesce(until, instant), 'it may still arrive'
  FROM watched, terms
  WHERE lack IS NULL
  UNION ALL
  SELECT interface_id, 5, since, coalesce(until, instant), lack
  FROM watched, terms
  WHERE lack IS NOT NULL
  UNION ALL
  SELECT
    interface_id,
    6,
    CAST(floor(since / 60) AS BIGINT) * 60,
    least(CAST(ceil(until / 60) AS BIGINT) * 60, instant),
    'no flow log on the interface, its subnet or its VPC'
  FROM lives, terms
  WHERE since < until
),
steps AS (
  SELECT
    interface_id,
    moment,
    sum(step) FILTER (WHERE place = 1) AS skipped,
    sum(step) FILTER (WHERE place = 2) AS covered,
    sum(step) FILTER (WHERE place = 3) AS due,
    sum(step) FILTER (WHERE place = 4) AS watched,
    sum(step) FILTER (WHERE place = 5) AS lacking,
    sum(step) FILTER (WHERE place = 6) AS alive
  FROM (
    SELECT interface_id, CAST(since AS BIGINT) AS moment, place, 1 AS step FROM layers WHERE since < until
    UNION ALL
    SELECT interface_id, CAST(until AS BIGINT) AS moment, place, -1 AS step FROM layers WHERE since < until
  ) AS edges
  GROUP BY interface_id, moment
),
pieces AS (
  SELECT
    interface_id,
    moment AS since,
    lead(moment) OVER sweep AS until,
    CASE WHEN sum(skipped) OVER sweep > 0 THEN 1
      WHEN sum(covered) OVER sweep > 0 THEN 2
      WHEN sum(due) OVER sweep > 0 THEN 3
      WHEN sum(watched) OVER sweep > 0 THEN 4
      WHEN sum(lacking) OVER sweep > 0 THEN 5
      ELSE 6 END AS place,
    sum(alive) OVER sweep > 0 AS is_alive
  FROM steps
  WINDOW sweep AS (PARTITION BY interface_id ORDER BY moment)
),
numbered AS (
  SELECT *, sum(is_new) OVER (PARTITION BY interface_id ORDER BY since) AS number
  FROM (
    SELECT
      *,
      CASE WHEN place = lag(place) OVER (PARTITION BY interface_id ORDER BY since)
          AND since = lag(until) OVER (PARTITION BY interface_id ORDER BY since) THEN 0 ELSE 1 END AS is_new
    FROM pieces
    WHERE is_alive
  ) AS compared
),
spans AS (
  SELECT interface_id, place, min(since) AS since, max(until) AS until
  FROM numbered
  GROUP BY interface_id, place, number
),
-- What is left beside a record and is no longer than times may be off is no gap.
judged AS (
  SELECT
    interface_id,
    CASE WHEN place IN (3, 4) AND until - since <= 60
        AND (
          (lag(place) OVER before = 2 AND lag(until) OVER before = since)
          OR (lead(place) OVER before = 2 AND lead(since) OVER before = until)
        ) THEN 2
      ELSE place END AS place,
    (since + 30) // 60 * 60 AS since,
    (until + 30) // 60 * 60 AS until
  FROM spans
  WINDOW before AS (PARTITION BY interface_id ORDER BY since)
),
joined AS (
  SELECT interface_id, place, min(since) AS since, max(until) AS until
  FROM (
    SELECT *, sum(is_new) OVER (PARTITION BY interface_id ORDER BY since, until) AS number
    FROM (
      SELECT
        *,
        CASE WHEN place = lag(place) OVER (PARTITION BY interface_id ORDER BY since, until)
            AND since = lag(until) OVER (PARTITION BY interface_id ORDER BY since, until) THEN 0 ELSE 1 END AS is_new
      FROM judged
      WHERE since < until
    ) AS compared
  ) AS numbered_again
  GROUP BY interface_id, place, number
)
SELECT
  joined.interface_id,
  any_value(places.vpc_id) AS vpc_id,
  any_value(places.subnet_id) AS subnet_id,
  ['skipped', 'covered', 'missing', 'pending', 'not_monitored', 'not_monitored'][joined.place] AS state,
  make_timestamptz(joined.since * 1000000) AS since,
  make_timestamptz(joined.until * 1000000) AS until,
  string_agg(DISTINCT layers.why, '; ' ORDER BY layers.why) AS why
FROM joined
JOIN places ON places.interface_id = joined.interface_id
LEFT JOIN layers
  ON layers.interface_id = joined.interface_id
  AND layers.place = joined.place
  AND layers.place <> 2
  AND layers.since < joined.until
  AND layers.until > joined.since
GROUP BY joined.interface_id, joined.place, joined.since, joined.until
