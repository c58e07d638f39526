"""Prints the files below a folder that hold a text, as JSON, one an array a line.

usage: search.py FOLDER TEXT ...

Files are searched byte by byte, and Parquet files also value by value: their pages are compressed.
"""

import json
import os
import sys

import duckdb


def values_hold(path, texts):
    connection = duckdb.connect()
    source = "read_parquet('" + path.replace("'", "''") + "', hive_partitioning = false)"
    columns = connection.execute("DESCRIBE SELECT * FROM " + source).fetchall()
    any_of = " OR ".join(
        f"""contains(CAST("{name}" AS VARCHAR), '{text}')"""
        for name, kind, *_ in columns
        if kind != "DOUBLE" and not kind.startswith("TIMESTAMP")
        for text in texts
    )
    return bool(connection.execute(f"SELECT 1 FROM {source} WHERE {any_of} LIMIT 1").fetchall())


def main():
    folder, *texts = sys.argv[1:]
    for directory, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(directory, name)
            with open(path, "rb") as f:
                content = f.read()
            held = any(text.encode() in content for text in texts)
            if held or content[:4] == b"PAR1" and values_hold(path, texts):
                print(json.dumps([os.path.relpath(path, folder)]))


main()
