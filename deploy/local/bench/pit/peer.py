"""peer.py SIDE SPINE FILES RESULT STATEMENT THREADS MEMORY

Makes one join in Python: runs STATEMENT on PyPI's DuckDB, or asks Feast, whose
feature view reads the files listed in FILES. Prints seconds and peak memory in bytes.
"""

import json
import os
import resource
import shutil
import sys
import tempfile
import time

side, spine, files, result, statement, threads, memory = sys.argv[1:]


def duckdb_side():
    import duckdb

    start = time.perf_counter()
    db = duckdb.connect(config={"threads": threads, "memory_limit": memory + "B", "preserve_insertion_order": "false"})
    db.execute(statement)
    return time.perf_counter() - start


def feast_side():
    import warnings

    warnings.filterwarnings("ignore")
    from datetime import timedelta

    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource
    from feast.types import Float64, Int64
    from feast.value_type import ValueType

    repo = tempfile.mkdtemp()
    try:
        # A row counts from the end of its day on; of rows of a day the latest.
        listed = ", ".join(f"'{f}'" for f in json.load(open(files)))
        db = duckdb.connect(config={"threads": threads})
        db.execute(f"""COPY (SELECT entity, f_sum, f_count, f_max, make_timestamp(epoch_us(ts)) AS created,
            make_timestamp((epoch_us(ts) // 86400000000 + 1) * 86400000000) AS event_timestamp
            FROM read_parquet([{listed}], hive_partitioning = false)) TO '{repo}/rows.parquet' (FORMAT parquet, COMPRESSION zstd)""")
        with open(f"{repo}/feature_store.yaml", "w") as f:
            f.write("project: bench\nprovider: local\nregistry: registry.db\noffline_store: {type: duckdb}\n"
                    "online_store: {type: sqlite, path: online.db}\nentity_key_serialization_version: 3\n")
        os.environ["FEAST_USAGE"] = "False"
        store = FeatureStore(repo)
        entity = Entity(name="entity", join_keys=["entity"], value_type=ValueType.STRING)
        source = FileSource(name="rows", path=f"{repo}/rows.parquet", timestamp_field="event_timestamp", created_timestamp_column="created")
        schema = [Field(name="f_sum", dtype=Float64), Field(name="f_count", dtype=Int64), Field(name="f_max", dtype=Float64)]
        store.apply([entity, FeatureView(name="rows", entities=[entity], ttl=timedelta(days=4000), schema=schema, source=source)])
        frame = pq.read_table(spine).to_pandas().rename(columns={"instant": "event_timestamp"})
        start = time.perf_counter()
        joined = store.get_historical_features(frame, ["rows:f_sum", "rows:f_count", "rows:f_max"]).to_arrow()
        seconds = time.perf_counter() - start
        names = ["rows." + n if n.startswith("f_") else n for n in joined.column_names]
        pq.write_table(joined.rename_columns(names), result)
        return seconds
    finally:
        shutil.rmtree(repo)


seconds = feast_side() if side == "feast" else duckdb_side()
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10)
