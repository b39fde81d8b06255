/*
The whole numbers from 1 to 128, for queries that need a row each: no SQL that all engines share makes rows.
*/
SELECT CAST(n AS INTEGER) AS n
FROM generate_series(1, 128) AS each_one(n)
