"""peer.py REPO apply SOURCE | peer.py REPO read ENTITIES COUNT RESULT

Makes a Feast repository with a feature view over SOURCE, or reads the features of the
first COUNT entities of the file ENTITIES from its online store into RESULT.
"""

import sys
from datetime import timedelta

repo, command, *args = sys.argv[1:]


def apply(source):
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource
    from feast.types import Float64, Int64
    from feast.value_type import ValueType

    with open(f"{repo}/feature_store.yaml", "w") as f:
        f.write("project: bench\nprovider: local\nregistry: registry.db\noffline_store: {type: duckdb}\n"
                "online_store: {type: sqlite, path: online.db}\nentity_key_serialization_version: 3\n")
    entity = Entity(name="entity", join_keys=["entity"], value_type=ValueType.STRING)
    schema = [Field(name="f_sum", dtype=Float64), Field(name="f_count", dtype=Int64), Field(name="f_max", dtype=Float64)]
    view = FeatureView(name="rows", entities=[entity], ttl=timedelta(days=36500), schema=schema, online=True,
                       source=FileSource(name="rows", path=source, timestamp_field="ts"))
    FeatureStore(repo).apply([entity, view])


def read(entities, count, result):
    import pyarrow as pa
    import pyarrow.parquet as pq
    from feast import FeatureStore

    # Feast lets a feature expire by the clock on the wall: the view says after how long.
    store = FeatureStore(repo)
    names = pq.read_table(entities, columns=["entity"]).slice(0, int(count)).column("entity").to_pylist()
    tables = []
    for start in range(0, len(names), 1000):
        asked = [{"entity": name} for name in names[start : start + 1000]]
        tables.append(store.get_online_features(["rows:f_sum", "rows:f_count", "rows:f_max"], asked).to_arrow())
    pq.write_table(pa.concat_tables(tables), result)


apply(*args) if command == "apply" else read(*args)
