-- The rows that count, picked as the guide to feature tables tells other programs.
SELECT card, shop, epoch_us("at"), n, label, ingest_sequence
FROM delta_scan('{table}')
QUALIFY row_number() OVER (PARTITION BY card, shop, "at" ORDER BY ingest_sequence DESC) = 1
