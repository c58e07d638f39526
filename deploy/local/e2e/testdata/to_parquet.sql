-- Writes a CSV file as Parquet.
COPY (SELECT * FROM read_csv('{from}', types = {'at': 'TIMESTAMPTZ', 'origin': 'VARCHAR'})) TO '{to}' (FORMAT parquet)
