-- Every row of the year's tile table, all columns, in one order; binaries as bits.
SELECT device, epoch_us(tile_start), count_reading, sum_reading, hex(sum_reading_rest), max_reading
FROM delta_scan('{table}') ORDER BY device, tile_start
