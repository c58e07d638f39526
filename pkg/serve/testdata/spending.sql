SELECT user, ts, n, CAST(amount AS DOUBLE) AS amount, label FROM events
