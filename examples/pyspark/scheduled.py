"""Scheduled processing: a timer starts it every minute, and it processes what came since: here, the next 2,000 rows."""

import sys

import pandas as pd
from pyspark.sql import SparkSession
from rows import person_years
from swansong_spark import counted

ROWS = 2000


@counted
def bill(frames, count):
    for frame in frames:
        for plan, rows in frame.groupby("plan"):
            count("rows.processed", len(rows), plan=plan)
            count("visits.billed", rows["visits"].sum(), plan=plan)
        yield frame[frame["visits"] > 0]


if __name__ == "__main__":
    minute = int(sys.argv[1])
    spark = SparkSession.builder.appName("scheduled-processing").getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    rows = list(person_years())[minute * ROWS : (minute + 1) * ROWS]
    frame = spark.createDataFrame(pd.DataFrame(rows, columns=["number", "visits", "health", "plan"])).repartition(8)
    print(f"{frame.mapInPandas(bill, frame.schema).count()} bills of minute {minute}")
    spark.stop()
