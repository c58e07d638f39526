-- The same from the raw flights.
SELECT (SELECT count(*) FROM (SELECT DISTINCT origin, date_trunc('hour', date) FROM read_parquet('{flights}'))),
       count(DISTINCT origin), count(delay), sum(delay)::BIGINT, max(delay), 0
FROM read_parquet('{flights}')
