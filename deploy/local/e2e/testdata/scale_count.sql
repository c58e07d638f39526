-- How many rows of a Delta table, read by delta-rs, are of deleted keys, and how many there are.
SELECT count(*) FILTER (WHERE {deleted}), count(*) FROM tiles
