-- A year of small events: three an hour of five devices, one file a month. The
-- partition column is not part of the files.
COPY (
  SELECT 'device ' || (i % 5) AS device, TIMESTAMP '2001-01-01' + INTERVAL 1 MINUTE * (i * 20 + i * 7 % 20) AS ts, (i * 37 % 101)::BIGINT AS reading,
         strftime(ts, '%Y-%m') AS month
  FROM range(3 * 24 * 365) events(i)
) TO '{to}' (FORMAT parquet, PARTITION_BY (month), FILENAME_PATTERN 'events')
