"""Pushes deltas with the stock OpenTelemetry SDK, one export a round.

Usage: deltas.py ENDPOINT ROUNDS

Route /a is measured in each round, /b in every third: the others leave it out. Each round adds to
- deltas.requests: 2 to /a, and 5 to /b where it is measured;
- deltas.bytes: 0.25;
- deltas.queue (up and down): 3, then -1;
- deltas.latency: 0.05, 0.5 and 5.0;
- deltas.exponential: 1.0 and a value that doubles each round, from 2.0 on.
"""

import sys

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider, UpDownCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource


def main():
    endpoint, rounds = sys.argv[1], int(sys.argv[2])
    delta = AggregationTemporality.DELTA
    exporter = OTLPMetricExporter(
        endpoint=endpoint, preferred_temporality={Counter: delta, UpDownCounter: delta, Histogram: delta}
    )
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    resource = Resource.create({"service.name": "deltas", "service.instance.id": "1"})
    view = View(instrument_name="deltas.exponential", aggregation=ExponentialBucketHistogramAggregation())
    provider = MeterProvider(metric_readers=[reader], resource=resource, views=[view])
    meter = provider.get_meter("deltas")

    requests = meter.create_counter("deltas.requests")
    size = meter.create_counter("deltas.bytes", unit="By")
    queue = meter.create_up_down_counter("deltas.queue")
    latency = meter.create_histogram(
        "deltas.latency", unit="s", explicit_bucket_boundaries_advisory=[0.1, 1.0, 10.0]
    )
    exponential = meter.create_histogram("deltas.exponential", unit="s")

    for number in range(rounds):
        requests.add(2, {"route": "/a"})
        if number % 3 == 0:
            requests.add(5, {"route": "/b"})
        size.add(0.25)
        queue.add(3)
        queue.add(-1)
        for value in (0.05, 0.5, 5.0):
            latency.record(value)
        exponential.record(1.0)
        exponential.record(2.0 ** (number + 1))
        if not provider.force_flush(10_000):
            sys.exit("the push failed")
    provider.shutdown()


main()
