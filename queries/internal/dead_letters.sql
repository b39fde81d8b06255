/* The events that a sink refused and that were not replayed since; $sink null: of all sinks. */
SELECT
  letter.sink,
  letter.event_id,
  letter.event_number,
  letter."at",
  letter.reason,
  event.detector,
  event.severity,
  event.event,
  event.sentence
FROM dead_letters AS letter
LEFT JOIN finding_events AS event ON event.event_number = letter.event_number
WHERE $sink IS NULL OR letter.sink = $sink
QUALIFY row_number() OVER (PARTITION BY letter.sink, letter.event_number ORDER BY letter."at" DESC) = 1
  AND letter.outcome = 'refused'
ORDER BY letter.sink, letter.event_number
