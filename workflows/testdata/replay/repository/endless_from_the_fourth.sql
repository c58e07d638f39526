SELECT origin, date AS departure, delay
FROM flights
UNION ALL
SELECT a.origin, a.date AS departure, a.delay
FROM flights a, flights b, flights c
WHERE day(a.date) BETWEEN 4 AND 30 AND a.delay + b.delay + c.delay < -1000000
