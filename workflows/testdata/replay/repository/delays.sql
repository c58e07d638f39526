SELECT origin, date AS departure, delay
FROM flights
