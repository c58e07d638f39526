"""Reads the tables by delta-rs.

usage: delta_rs.py DIRECTORY, which the command readers has filled
"""

import sys

import deltalake

import check

TYPES = {"long": "bigint", "integer": "int"}


class Reader:
    name = "delta-rs"
    quote = '"'

    def open(self, path, version=None):
        self.table = deltalake.DeltaTable(path, version=version)

    def columns(self):
        return [[field.name, spark_type(field.type)] for field in self.table.schema().fields]

    def rows(self):
        return self.query("select * from t")

    def query(self, sql):
        batches = deltalake.QueryBuilder().register("t", self.table).execute(sql).read_all()
        return list(zip(*(column.to_pylist() for column in batches.columns)))

    def files(self, predicate):
        return len(self.table.file_uris(file_pruning_predicate=predicate))

    def latest(self, value, at):
        return f"last_value({value} order by {at} nulls first)"

    def history(self):
        return [(commit["version"], commit["operation"]) for commit in self.table.history()]


def spark_type(kind):
    if isinstance(kind, deltalake.schema.ArrayType):
        return f"array<{spark_type(kind.element_type)}>"
    return TYPES.get(kind.type, kind.type)


check.check_all(Reader(), sys.argv[1])
