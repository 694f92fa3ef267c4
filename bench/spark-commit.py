"""
What `swansong_spark` takes a task, without Spark: milliseconds of a commit, its median and 90th percentile, and its CPU.
`OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 python3 bench/spark-commit.py`, or with SWANSONG_SPOOL_DIR.
"""

import os
import sys
import time
from types import SimpleNamespace

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "examples", "pyspark"))
import swansong_spark

COMMITS = 400
walls = []
for at in range(COMMITS):
    unit = SimpleNamespace(once=f"bench/{os.getpid()}/{at}", attempt=str(at))
    counts = {("bench.rows", (("kind", str(at % 3)),)): 5, ("bench.seconds", ()): 1.5}
    begun = time.perf_counter()
    swansong_spark._commit(counts, unit, "bench")
    walls.append((time.perf_counter() - begun) * 1000)
walls.sort()
cpu = time.process_time() * 1000 / COMMITS
print(f"ms a commit: median {walls[COMMITS // 2]:.2f}, 90 % within {walls[COMMITS * 9 // 10]:.2f}; CPU {cpu:.2f}")
