-- The same from Tilery's tile table, tiles combined by hand. Sums of minutes of
-- delay are small, so sum_delay is exact and its rest is null.
WITH edges AS (SELECT unnest([{edges}])::TIMESTAMPTZ AS edge),
     windows(name, length) AS (VALUES ('1h', INTERVAL 1 HOUR), ('6h', INTERVAL 6 HOURS), ('1d', INTERVAL 1 DAY), ('7d', INTERVAL 7 DAYS))
SELECT epoch_us(edge), origin, name, sum(count_delay)::BIGINT, sum(sum_delay)::DOUBLE / sum(count_delay), max(max_delay), 0
FROM edges CROSS JOIN windows JOIN delta_scan('{table}') AS tile
  ON tile.tile_start >= edge - length AND tile.tile_start < edge
GROUP BY ALL ORDER BY ALL
