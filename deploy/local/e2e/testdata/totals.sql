-- Numbers that every reader of the tile table must agree on.
SELECT count(*), count(DISTINCT origin), sum(count_delay), sum(sum_delay), max(max_delay), count(sum_delay_rest) FROM {tiles}
