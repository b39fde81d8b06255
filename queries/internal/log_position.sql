/* The number of the newest event before a time, 0 where there is none. */
SELECT coalesce(max(event_number), 0) AS position FROM findings WHERE "at" < $before
