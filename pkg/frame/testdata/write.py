"""Writes the files of pandas and pyarrow that the tests read: python write.py (pandas 3.1, pyarrow 26)."""
import datetime
import decimal

import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

frame = pd.DataFrame({
    "user_id": pd.Series(["a", "b", None], dtype="category"),
    "small": pd.Series([1, -2, 3], dtype="int8"),
    "unsigned": pd.Series([1, 2, 4_294_967_295], dtype="uint32"),
    "whole": pd.Series([9_007_199_254_740_993, None, -9_223_372_036_854_775_808], dtype="Int64"),
    "ratio": [0.5, None, -1e300],
    "flag": pd.Series([True, None, False], dtype="boolean"),
    "naive": pd.to_datetime(["2024-01-01T00:00:00.123456789", None, "1969-12-31T23:59:59.9999999"]),
    "zoned": pd.to_datetime(["2024-01-01 12:00", "2024-07-01 12:00", None]).tz_localize("Europe/Berlin"),
    "day": [datetime.date(2024, 2, 29), None, datetime.date(1, 1, 1)],
    "price": [decimal.Decimal(7), None, decimal.Decimal(-8)],
    "tags": [["x", None], [], None],
    "nothing": [None, None, None],
})
frame.index = [10, 20, 40]  # stored as a column
table = pa.Table.from_pandas(frame)
at = table.schema.get_field_index("user_id")
pq.write_table(table, "pandas.parquet", compression="snappy", row_group_size=2)
pq.write_table(table, "pandas_v2.parquet", compression="gzip", data_page_version="2.0", use_dictionary=False)
feather.write_feather(table, "pandas.feather", compression="lz4", chunksize=2)
with pa.ipc.new_stream("pandas_stream.arrow", table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as out:
    out.write_table(table, max_chunksize=2)
text = frame.drop(columns=["tags", "price"])
text.to_csv("pandas.csv", index=False)
text.assign(zoned=text.zoned.astype(str)).to_json("pandas.ndjson", orient="records", lines=True, date_format="iso", date_unit="us")
