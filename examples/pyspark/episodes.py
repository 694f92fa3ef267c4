"""Episode processing: event rows (a visit each) are consolidated to episodes of care, which end after 30 days without a visit."""

import sys

from pyspark import TaskContext
from pyspark.sql import SparkSession
from rows import days_of, person_years
from swansong_spark import counted

QUIET_DAYS = 30


@counted
def read_visits(people, count):
    for number, visits, health, _ in people:
        count("visits.read", visits, health=health)
        for day in days_of(number, visits):
            yield (number, health), day


@counted
def consolidate(people, count):
    for (number, health), days in people:
        last = None
        episodes = 0
        for day in sorted(days):
            if last is None or day - last > QUIET_DAYS:
                episodes += 1
            last = day
        count("episodes.consolidated", episodes, health=health)
        yield number, episodes


def fail_sometimes(rows):
    """Every third first attempt fails once it has done all its work: Spark does it again, and it counts once."""
    yield from rows
    task = TaskContext.get()
    if task.attemptNumber() == 0 and task.partitionId() % 3 == 0:
        raise RuntimeError("failed on purpose")


if __name__ == "__main__":
    spark = SparkSession.builder.appName("episode-processing").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")  # Of what fails on purpose.
    people = spark.sparkContext.parallelize(list(person_years()), 16)
    episodes = people.mapPartitions(read_visits).groupByKey(8).mapPartitions(consolidate)
    if "--failures" in sys.argv:
        episodes = episodes.mapPartitions(fail_sometimes)
    print(f"{episodes.map(lambda one: one[1]).sum()} episodes")
    spark.stop()
