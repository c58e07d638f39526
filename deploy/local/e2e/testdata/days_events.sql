-- Six days of events of two devices, one directory a day.
COPY (
  SELECT 'device ' || (i % 2) AS device, TIMESTAMP '2001-01-01' + INTERVAL 1 HOUR * i AS ts, (i * 37 % 101)::BIGINT AS reading,
         strftime(ts, '%Y-%m-%d') AS date
  FROM range(6 * 24) events(i)
) TO '{to}' (FORMAT parquet, PARTITION_BY (date), FILENAME_PATTERN 'events')
