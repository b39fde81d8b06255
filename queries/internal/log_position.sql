/* The number before the first event since a time, the newest where there is none: one misdated event hides no other. */
SELECT coalesce(min(event_number) FILTER (WHERE "at" >= $before) - 1, max(event_number), 0) AS position FROM findings
