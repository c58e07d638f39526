SELECT
  origin,
  date AS departure,
  CAST(CASE WHEN day(date) IN (5, 20) THEN 'late' ELSE CAST(delay AS VARCHAR) END AS BIGINT) AS delay
FROM flights
