"""What a reader is asked of each table, and what it must answer.

A reader opens a table, at its head or at a version, and then answers for it:

  columns()          name and type of each, types as Spark names them
  rows()             all rows
  query(sql)         the rows of a query of the table t
  files(predicate)   how many files a scan with the predicate reads
  latest(value, at)  SQL of the value of the latest time in a group
  history()          version and operation of each commit, newest first
  quote              what stands around names in SQL
"""

import collections
import datetime
import json
import math
import pathlib
import struct
import sys

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
TOLERANCE = 1e-12  # of sums of floats, relative to the sum of their magnitudes


def canonical(value):
    """Returns the value as Tilery writes it down, with every bit."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else struct.pack(">d", value).hex()
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, datetime.datetime):
        return (value.replace(tzinfo=datetime.timezone.utc) - EPOCH) // datetime.timedelta(microseconds=1)
    if isinstance(value, (list, tuple)):
        return [canonical(v) for v in value]
    return value


def number(cell):
    """Returns the float that a canonical cell stands for."""
    return math.nan if cell == "NaN" else struct.unpack(">d", bytes.fromhex(cell))[0]


def require(equal, what, *details):
    if not equal:
        sys.exit("\n".join([f"{what}: not what Tilery reads", *map(str, details)]))


def same_rows(got, want, what):
    """Compares rows in any order."""
    count = lambda rows: collections.Counter(json.dumps(canonical(row)) for row in rows)
    got, want = count(got), count(want)
    require(got == want, what, "only there:", *list(got - want)[:2], "only in Tilery:", *list(want - got)[:2])


def read_rows(state):
    with open(state["rows"], encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def tables(directory):
    return json.loads((pathlib.Path(directory) / "tables.json").read_text(encoding="utf-8"))


def check(reader, table):
    """Checks all that both readers can tell of a table, and returns how many rows it has."""
    name = table["name"]
    earlier = table["earlier"]
    reader.open(table["path"], earlier["version"])
    same_rows(reader.rows(), read_rows(earlier), f"{name} at version {earlier['version']}")

    reader.open(table["path"])
    require(reader.columns() == table["columns"], f"columns of {name}", reader.columns())
    rows = read_rows(table["head"])
    same_rows(reader.rows(), rows, name)
    columns = {column: [row[i] for row in rows] for i, (column, _) in enumerate(table["columns"])}
    check_sums(reader, table, columns)
    check_latest(reader, table, columns)
    check_skipping(reader, table)
    versions = list(range(table["head"]["version"], table["checkpoint"] - 1, -1))
    history = reader.history()
    require([version for version, _ in history] == versions, f"history of {name}", history)
    require([operation for _, operation in history][-2:] == ["VACUUM", "OPTIMIZE"], f"history of {name}", history)
    print(f"{reader.name}: {name}: {len(rows)} rows, {len(columns)} columns, versions {versions[-1]} to {versions[0]}", flush=True)
    return len(rows)


def check_sums(reader, table, columns):
    """Compares counts, sums and extremes as the reader's SQL computes them."""
    terms, want = ["count(*)"], [len(columns[table["time"]])]
    floats, exact = [], []
    for name, kind in table["columns"]:
        column = reader.quote + name + reader.quote
        values = [v for v in columns[name] if v is not None]
        if kind in ("bigint", "int"):
            terms += [f"count({column})", f"sum(cast({column} as decimal(38, 0)))", f"min({column})", f"max({column})"]
            want += [len(values), sum(values) if values else None, min(values, default=None), max(values, default=None)]
        elif kind in ("double", "float"):
            finite = [v for v in map(number, values) if abs(v) < 1e300]
            floats.append(f"sum(case when abs({column}) < 1e300 then cast({column} as double) end)")
            exact.append((name, math.fsum(finite), math.fsum(map(abs, finite))))
    (row,) = reader.query(f"select {', '.join(terms + floats)} from t")
    got = [v if v is None else int(v) for v in row[: len(terms)]]
    require(got == want, f"counts, sums and extremes of {table['name']}", *[d for d in zip(terms, got, want) if d[1] != d[2]])
    for value, (name, total, magnitude) in zip(row[len(terms) :], exact):
        require(abs(value - total) <= TOLERANCE * magnitude, f"sum of {name} of {table['name']}", value, total)


def check_latest(reader, table, columns):
    """Compares the last value of each key, by its time."""
    kinds = dict(table["columns"])
    names = [name for name in kinds if kinds.get(name + "_ts") == "timestamp"]
    if not names:
        return
    quoted = lambda name: reader.quote + name + reader.quote
    keys = ", ".join(map(quoted, table["keys"]))
    latest = [reader.latest(quoted(name), quoted(name + "_ts")) for name in names]
    want = {}
    for i, key in enumerate(zip(*[columns[key] for key in table["keys"]])):
        values = want.setdefault(key, [(-math.inf, None)] * len(names))
        for j, name in enumerate(names):
            at = columns[name + "_ts"][i]
            if at is not None and at > values[j][0]:
                values[j] = (at, columns[name][i])
    want = [[*key, *[value for _, value in values]] for key, values in want.items()]
    got = reader.query(f"select {keys}, {', '.join(latest)} from t group by {keys}")
    same_rows(got, want, f"last values of {table['name']}")


def check_skipping(reader, table):
    """Compares how many files are read, and rows found, in a part of the table."""
    partitions = table["head"]["partitions"]
    first, last = min(partitions), max(partitions)
    for day, predicate in (
        (first, f"time_partition = '{first}'"),
        (last, f"time_partition = '{last}'"),
        (last, f"{table['time']} >= '{last}T00:00:00Z'"),  # by the statistics
    ):
        ((rows,),) = reader.query(f"select count(*) from t where {predicate}")
        got, want = {"rows": rows, "files": reader.files(predicate)}, partitions[day]
        require(got == want, f"{table['name']} where {predicate}", got, want)


def check_all(reader, directory):
    found = [check(reader, table) for table in tables(directory)]
    print(f"{reader.name} reads every table after maintenance: {len(found)} tables, {sum(found)} rows", flush=True)
