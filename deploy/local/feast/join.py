"""join.py ROWS SPINE RESULT: joins a spine with rows by Feast, with a ttl of two days."""

import os
import shutil
import sys
import tempfile
import warnings
from datetime import timedelta

warnings.filterwarnings("ignore")
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource
from feast.types import Float64, Int64, String
from feast.value_type import ValueType

rows, spine, result = sys.argv[1:]
repo = tempfile.mkdtemp()
try:
    with open(f"{repo}/feature_store.yaml", "w") as f:
        f.write("project: flights\nprovider: local\nregistry: registry.db\noffline_store: {type: duckdb}\n"
                "online_store: {type: sqlite, path: online.db}\nentity_key_serialization_version: 3\n")
    os.environ["FEAST_USAGE"] = "False"
    store = FeatureStore(repo)
    airport = Entity(name="airport", join_keys=["origin"], value_type=ValueType.STRING)
    source = FileSource(name="rows", path=rows, timestamp_field="event_timestamp", created_timestamp_column="created")
    types = {"flights": Int64, "delay": Float64, "distance": Int64, "destination": String}
    schema = [Field(name=name, dtype=dtype) for name, dtype in types.items()]
    store.apply([airport, FeatureView(name="departures", entities=[airport], ttl=timedelta(days=2), schema=schema, source=source)])
    frame = pq.read_table(spine).to_pandas().rename(columns={"instant": "event_timestamp"})
    joined = store.get_historical_features(frame, [f"departures:{name}" for name in types])
    pq.write_table(joined.to_arrow(), result)
finally:
    shutil.rmtree(repo)
