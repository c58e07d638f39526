-- The newest time of each key that is left.
SELECT account, device, epoch_us(max(ts)) FROM read_parquet('{frames}/*/*.parquet') WHERE {where} GROUP BY ALL
