/*
What `coverage_spans` goes by: `moment`, as of when, and `allowance`, how long after the end of its aggregation interval
a record may arrive before it is missing (AWS: about ten minutes to S3, best effort). `flowaudit coverage` sets both.
*/
SELECT now() AS moment, INTERVAL 15 MINUTE AS allowance
