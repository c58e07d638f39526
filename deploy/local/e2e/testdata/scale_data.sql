-- What is deleted from: purchases of {people} people, ten each, on days of their own; a third of it each for visits of
-- members and the frames of the table. One person in a hundred, one member in thirty and so on are to be deleted, and
-- can be told by their keys wherever these turn up.
SET threads = 2;

COPY (
  SELECT person, make_timestamp(978307200000000 + day * 86400000000 + (hash(p, visit) % 86400000000)::BIGINT) AS ts,
         (hash(visit, p) % 1000000)::DOUBLE / 7 AS amount, p * 10 + visit AS n, CASE WHEN (p + visit) % 5 > 0 THEN 'label ' || (p % 1000) END AS label,
         strftime(DATE '2001-01-01' + day::INTEGER, '%Y-%m-%d') AS date
  FROM (SELECT p, visit, visit * 3 + p % 3 AS day, substr(md5(p::VARCHAR), 1, 8) || if(p % 100 = 0, '-erase-me-', '-keep-') || p AS person
        FROM range({people}) a(p), range(10) b(visit))
) TO '{to}/purchases' (FORMAT parquet, PARTITION_BY (date), FILENAME_PATTERN 'purchases');

COPY (
  SELECT m * 1000000000000 + if(m % 30 = 0, 777777777777, 111111111111) AS member,
         make_timestamp(978307200000000 + (visit * 3 + m % 3) * 86400000000 + (hash(m, visit) % 86400000000)::BIGINT) AS ts, m + visit AS pages
  FROM range({people} * 3 // 100) a(m), range(10) b(visit)
) TO '{to}/visits.parquet' (FORMAT parquet);

-- Frame 0 has ten rows of each key, every other one a row of two keys in three.
COPY (
  SELECT substr(md5(a::VARCHAR), 1, 8) || CASE a % 30 WHEN 0 THEN '-erase-me-' WHEN 1 THEN '-shared-' ELSE '-keep-' END || a AS account, device,
         make_timestamp(978307200000000 + if(frame = 0, row, 9 + frame) * 86400000000 + (hash(a, device, frame, row) % 86400000000)::BIGINT) AS ts,
         (a * 1000 + device * 100 + row)::BIGINT AS n, frame, frame AS part
  FROM range({people} // 100) a(a), range(1, 4) b(device), range({frames}) c(frame), range(10) d(row)
  WHERE frame = 0 OR row = 0 AND (a + device + frame) % 3 > 0
) TO '{to}/frames' (FORMAT parquet, PARTITION_BY (part), FILENAME_PATTERN 'frame');

COPY (SELECT DISTINCT person FROM read_parquet('{to}/purchases/*/*.parquet') WHERE {purchases}) TO '{to}/purchases.csv';
COPY (SELECT DISTINCT member FROM read_parquet('{to}/visits.parquet') WHERE {visits}) TO '{to}/visits.csv';
COPY (SELECT DISTINCT account, device FROM read_parquet('{to}/frames/part=0/*.parquet') WHERE {accounts}) TO '{to}/accounts.csv';

-- Spines of datasets: keys of both kinds.
COPY (SELECT DISTINCT person, TIMESTAMP '2001-02-01' AS ts FROM read_parquet('{to}/purchases/date=2001-01-01/*.parquet') LIMIT 1000)
TO '{to}/purchases-spine.parquet' (FORMAT parquet);
COPY (SELECT DISTINCT member, TIMESTAMP '2001-02-01' AS ts FROM read_parquet('{to}/visits.parquet') LIMIT 1000)
TO '{to}/visits-spine.parquet' (FORMAT parquet);
