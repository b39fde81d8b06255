/*---
title = "Log objects that were skipped, that failed, or that held bad lines"

[params.since]
kind = "time"
default = "-30d"
help = "Looked at from when on."

[params.until]
kind = "time"
default = "now"
help = "Until when."
---*/
/*
What it answers: which log objects are not, or not wholly, in the lake, and why.

How to read it: one row for each object, by its newest try. `failed` is tried again with each collect; `skipped` is left
alone until it changes or a format is declared; `collected` with quarantined lines is kept but for those lines (table
`quarantine` has their text).

Blind spots: objects that were never listed, because they lie outside the look-back or the prefix.
*/
WITH ranked AS (
  SELECT
    *,
    row_number() OVER (
      PARTITION BY source, object_key ORDER BY batch DESC, collected_at DESC
    ) AS age
  FROM objects
)
SELECT
  outcome,
  object_key,
  reason,
  attempts,
  records,
  quarantined,
  size,
  modified,
  collected_at
FROM ranked
WHERE age = 1
  AND (outcome <> 'collected' OR quarantined > 0)
  AND collected_at >= $since
  AND collected_at < $until
ORDER BY outcome DESC, object_key
