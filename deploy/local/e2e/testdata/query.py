"""Runs one SQL file and prints its rows as JSON, one array a line.

usage: query.py FILE.sql [NAME=VALUE ...]

A VALUE replaces {NAME} in the SQL. Some names are special: extension=PATH loads a
DuckDB extension, and engine=delta-rs runs the SQL by delta-rs over the table at
table=PATH, as "tiles": its newest version, or version=N.
"""

import json
import sys


def duckdb_rows(sql, extension):
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    if extension:
        connection.load_extension(extension)
    return connection.execute(sql).fetchall()


def delta_rs_rows(sql, table, version):
    import deltalake

    builder = deltalake.QueryBuilder().register("tiles", deltalake.DeltaTable(table, version=int(version) if version else None))
    batches = builder.execute(sql).read_all()
    return zip(*(column.to_pylist() for column in batches.columns)) if batches.num_rows else []


def main():
    path, *assignments = sys.argv[1:]
    values = dict(a.split("=", 1) for a in assignments)
    sql = open(path, encoding="utf-8").read()
    for name, value in values.items():
        sql = sql.replace("{" + name + "}", value)
    if values.get("engine") == "delta-rs":
        rows = delta_rs_rows(sql, values["table"], values.get("version"))
    else:
        rows = duckdb_rows(sql, values.get("extension"))
    for row in rows:
        print(json.dumps(row))


main()
