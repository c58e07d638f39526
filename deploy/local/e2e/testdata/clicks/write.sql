-- Writes a click every six hours for three days.
COPY (
    SELECT 'user' || i % 5 AS user_id, TIMESTAMP '2001-01-01' + INTERVAL (i * 360) MINUTE AS clicked_at, i AS amount
    FROM range(12) t(i)
) TO '{out}' (FORMAT parquet)
