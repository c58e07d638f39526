-- What the features are, from the raw flights alone: for each edge, airport and
-- window, over the flights in [edge - window, edge). Without a flight there is no row.
WITH edges AS (SELECT unnest([{edges}])::TIMESTAMP AS edge),
     windows(name, length) AS (VALUES ('1h', INTERVAL 1 HOUR), ('6h', INTERVAL 6 HOURS), ('1d', INTERVAL 1 DAY), ('7d', INTERVAL 7 DAYS))
SELECT epoch_us(edge), origin, name, count(delay), avg(delay), max(delay), sum(abs(delay))::BIGINT
FROM edges CROSS JOIN windows JOIN read_parquet('{flights}') AS flight
  ON flight.date >= edge - length AND flight.date < edge
GROUP BY ALL ORDER BY ALL
