"""count_words.py FILE...: counts lines and words of files, with the stock OpenTelemetry SDK and nothing else."""

import sys
from pathlib import Path

from opentelemetry import metrics
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

# Where to send, and that it sends deltas, is told by the environment: see README.md. The resource gets a
# service.instance.id of its own from the SDK, and at the interpreter's end the SDK sends what it has.
metrics.set_meter_provider(
    MeterProvider(
        metric_readers=[PeriodicExportingMetricReader(OTLPMetricExporter())],
        resource=Resource.create({"service.name": "count-words"}),
    )
)
meter = metrics.get_meter("count_words")
lines = meter.create_counter("lines", unit="{line}")
words = meter.create_counter("words", unit="{word}")
words_per_line = meter.create_histogram("words.per_line", explicit_bucket_boundaries_advisory=[0, 1, 5, 10, 20])

for path in map(Path, sys.argv[1:]):
    suffix = {"suffix": path.suffix}
    for line in path.read_text().splitlines():
        count = len(line.split())
        lines.add(1, suffix)
        words.add(count, suffix)
        words_per_line.record(count, suffix)
