"""peer.py write|delete DIR KEYS

write makes DIR/deltars, a Delta table of delta-rs with the rows of Tilery's in DIR/tilery,
in the same order. delete deletes the keys that the file KEYS lists from the copy in
DIR/run. Prints seconds and the number of rows.
"""

import glob
import sys
import time

what, folder, listed = sys.argv[1:]


def write():
    import duckdb
    from deltalake import write_deltalake

    db = duckdb.connect(config={"preserve_insertion_order": "true"})
    db.execute("SET TimeZone = 'UTC'")
    files = ", ".join(f"'{f}'" for f in glob.glob(f"{folder}/tilery/table/*/*.parquet"))
    columns = "entity, event_ts, f_sum, f_count, ingest_sequence"
    rows = db.execute(f"SELECT {columns} FROM read_parquet([{files}], hive_partitioning = false) ORDER BY entity, event_ts")
    start = time.perf_counter()
    write_deltalake(f"{folder}/deltars", rows.to_arrow_reader(1 << 17))
    return time.perf_counter() - start, 0


def delete():
    from deltalake import DeltaTable

    keys = ", ".join(f"'{key}'" for key in open(listed).read().split("\n"))
    table = DeltaTable(f"{folder}/run")
    start = time.perf_counter()
    result = table.delete(f"entity IN ({keys})")
    return time.perf_counter() - start, result["num_deleted_rows"]


print(*{"write": write, "delete": delete}[what]())
