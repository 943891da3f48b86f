"""Pushes one of each instrument with the stock OpenTelemetry SDK, once.

Usage: push.py grpc|http ENDPOINT none|gzip
"""

import sys

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource


def exporter(protocol, endpoint, compression):
    if protocol == "grpc":
        import grpc
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

        how = {"none": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip}[compression]
        return OTLPMetricExporter(endpoint=endpoint, insecure=True, compression=how)
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    how = {"none": Compression.NoCompression, "gzip": Compression.Gzip}[compression]
    return OTLPMetricExporter(endpoint=endpoint, compression=how)


def main():
    protocol, endpoint, compression = sys.argv[1:]
    reader = PeriodicExportingMetricReader(
        exporter(protocol, endpoint, compression), export_interval_millis=3_600_000
    )
    resource = Resource.create({"service.name": f"sdk-{protocol}-{compression}", "service.instance.id": "1"})
    exponential = View(
        instrument_name="sdk.exponential", aggregation=ExponentialBucketHistogramAggregation()
    )
    provider = MeterProvider(metric_readers=[reader], resource=resource, views=[exponential])
    meter = provider.get_meter("push", "1.0")

    counter = meter.create_counter("sdk.requests", unit="{request}", description="Requests.")
    counter.add(3, {"route": "/a"})
    counter.add(4, {"route": "/b"})
    meter.create_counter("sdk.bytes", unit="By").add(1.5)
    meter.create_up_down_counter("sdk.queue").add(-2, {"queue": "q"})
    meter.create_gauge("sdk.temperature", unit="Cel").set(36.6, {"sensor": "s\"1\""})
    histogram = meter.create_histogram(
        "sdk.latency", unit="s", explicit_bucket_boundaries_advisory=[0.1, 1.0, 10.0]
    )
    for value in (0.05, 0.5, 0.5, 5.0, 50.0):
        histogram.record(value)
    exponential = meter.create_histogram("sdk.exponential", unit="s")
    for value in (1.0, 2.0, 4.0, 0.0):
        exponential.record(value)

    if not provider.force_flush(10_000):
        sys.exit("the push failed")
    provider.shutdown()


main()
