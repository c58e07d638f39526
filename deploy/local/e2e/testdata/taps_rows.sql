-- Every row of the feature table, also those that others have replaced.
SELECT card, shop, epoch_us("at"), n, label, ingest_sequence
FROM delta_scan('{table}')
