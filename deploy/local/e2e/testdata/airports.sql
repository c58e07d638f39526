SELECT DISTINCT origin FROM read_parquet('{flights}') ORDER BY origin
