-- Every row of the tile table, all columns, in one order; floats and binaries as bits.
SELECT origin, epoch_us(tile_start), count_delay, sum_delay, hex(sum_delay_rest), max_delay
FROM delta_scan('{table}') ORDER BY origin, tile_start
