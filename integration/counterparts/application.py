"""Pushes what applications around a model server measure, each second, with the stock OpenTelemetry SDK.

Everything moves at a rate that a test can foretell: it is in RATES below, each second.

Usage: application.py ENDPOINT    (gRPC, such as http://127.0.0.1:4317)
"""

import sys
import time

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

GIB = 1 << 30

# Instrument, unit, bounds, and for each set of attributes: how many a second, and how large each is.
CHAT = {"http.request.method": "POST", "http.route": "/v1/chat/completions"}
HISTOGRAMS = [
    (
        "http.server.request.duration",
        "s",
        [0.1, 0.5, 1, 2, 5, 10],
        [
            (CHAT | {"http.response.status_code": 200, "api_key.id": "team-a"}, 4, 0.25),
            (CHAT | {"http.response.status_code": 429, "api_key.id": "team-a"}, 12, 0.05),
            (CHAT | {"http.response.status_code": 500, "api_key.id": "team-b"}, 1, 3.0),
            ({"http.request.method": "GET", "http.route": "/health", "http.response.status_code": 200}, 2, 0.05),
        ],
    ),
    (
        "gen_ai.client.operation.duration",
        "s",
        [0.1, 0.5, 1, 2, 5, 10],
        [
            ({"gen_ai.operation.name": "chat", "gen_ai.request.model": "app-model"}, 3, 1.5),
            ({"gen_ai.operation.name": "retrieval"}, 2, 0.25),
            ({"gen_ai.operation.name": "embeddings"}, 5, 0.05),
        ],
    ),
    (
        "gen_ai.client.operation.time_to_first_chunk",
        "s",
        [0.1, 0.5, 1],
        [({"gen_ai.operation.name": "chat", "gen_ai.request.model": "app-model"}, 3, 0.25)],
    ),
    (
        "gen_ai.client.token.usage",
        "{token}",
        [1, 4, 16, 64, 256, 1024],
        [
            ({"gen_ai.token.type": "input", "gen_ai.request.model": "app-model"}, 3, 100),
            ({"gen_ai.token.type": "output", "gen_ai.request.model": "app-model"}, 3, 50),
        ],
    ),
    ("offgrid.model.load.duration", "s", [0.5, 1, 2, 5, 10], [({"model": "app-model"}, 1, 4.0)]),
    ("ai_cluster.model.load.duration", "s", [1, 5, 10, 30], [({"model": "app-model", "node_id": "worker_1"}, 1, 4.0)]),
    ("offgrid.generation.token_rate", "{token}/s", [1, 5, 10, 25, 50, 100], [({}, 2, 40.0)]),
]

COUNTERS = [
    ("offgrid.rag.embeddings", "{embedding}", {}, 7),
    ("offgrid.sessions.created", "{session}", {}, 1),
    ("offgrid.quota.exceeded", "{event}", {"user_id": "u-42", "quota_type": "tokens"}, 2),
    ("offgrid.websocket.messages", "{message}", {"network.io.direction": "transmit"}, 6),
    ("offgrid.websocket.messages", "{message}", {"network.io.direction": "receive"}, 3),
]

GAUGES = [
    ("hw.gpu.utilization", "1", {"hw.id": "0", "hw.name": "NVIDIA H100 80GB HBM3"}, 0.5),
    ("hw.gpu.utilization", "1", {"hw.id": "1", "hw.name": "NVIDIA H100 80GB HBM3"}, 1.0),
    ("hw.gpu.cores", "{core}", {"hw.id": "0", "hw.name": "NVIDIA H100 80GB HBM3"}, 16896),
    ("hw.gpu.cores", "{core}", {"hw.id": "1", "hw.name": "NVIDIA H100 80GB HBM3"}, 16896),
    ("hw.temperature", "Cel", {"hw.type": "gpu", "hw.id": "0", "hw.name": "NVIDIA H100 80GB HBM3"}, 61),
    ("hw.temperature", "Cel", {"hw.type": "gpu", "hw.id": "1", "hw.name": "NVIDIA H100 80GB HBM3"}, 88),
    ("hw.power", "W", {"hw.type": "gpu", "hw.id": "0", "hw.name": "NVIDIA H100 80GB HBM3"}, 420),
    ("hw.power.limit", "W", {"hw.type": "gpu", "hw.id": "0", "hw.name": "NVIDIA H100 80GB HBM3"}, 700),
    ("gpustack.gpu.memory.allocated", "By", {"hw.id": "0", "hw.name": "NVIDIA H100 80GB HBM3"}, 72 * GIB),
    ("offgrid.users.active", "{user}", {}, 4),
    ("offgrid.users.registered", "{user}", {}, 9),
    ("offgrid.users.administrators", "{user}", {}, 1),
    ("process.memory.usage", "By", {"process.executable.name": "offgrid"}, 5 * GIB),
]

UPDOWNS = [
    ("hw.gpu.memory.usage", "By", {"hw.id": "0", "hw.name": "NVIDIA H100 80GB HBM3"}, 78 * GIB),
    ("hw.gpu.memory.usage", "By", {"hw.id": "1", "hw.name": "NVIDIA H100 80GB HBM3"}, 80 * GIB),
    ("hw.gpu.memory.limit", "By", {"hw.id": "0", "hw.name": "NVIDIA H100 80GB HBM3"}, 80 * GIB),
    ("hw.gpu.memory.limit", "By", {"hw.id": "1", "hw.name": "NVIDIA H100 80GB HBM3"}, 80 * GIB),
    ("http.server.active_requests", "{request}", {"http.request.method": "POST"}, 5),
    ("go.goroutine.count", "{goroutine}", {}, 15),
    ("go.memory.used", "By", {"go.memory.type": "other"}, 45_000_000),
    ("offgrid.rag.documents", "{document}", {}, 12),
    ("offgrid.rag.chunks", "{chunk}", {}, 340),
    ("offgrid.sessions.active", "{session}", {}, 3),
    ("offgrid.websocket.connections", "{connection}", {}, 2),
    ("offgrid.models.disk.usage", "By", {}, 9 * GIB),
    ("ai_cluster.model.memory", "By", {"model": "app-model", "node_id": "worker_1"}, 30 * GIB),
]


def main():
    exporter = OTLPMetricExporter(endpoint=sys.argv[1], insecure=True)
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=1_000)
    resource = Resource.create({"service.name": "offgrid", "service.instance.id": "app-1"})
    meter = MeterProvider(metric_readers=[reader], resource=resource).get_meter("application", "1.0")

    made = {}

    def instrument(create, name, unit, **more):
        if name not in made:
            made[name] = create(name, unit=unit, **more)
        return made[name]

    for name, unit, attributes, value in GAUGES:
        instrument(meter.create_gauge, name, unit).set(value, attributes)
    for name, unit, attributes, value in UPDOWNS:
        instrument(meter.create_up_down_counter, name, unit).add(value, attributes)
    start = time.monotonic()
    tick = 0
    while True:
        for name, unit, bounds, series in HISTOGRAMS:
            histogram = instrument(
                meter.create_histogram, name, unit, explicit_bucket_boundaries_advisory=bounds
            )
            for attributes, count, size in series:
                for _ in range(count):
                    histogram.record(size, attributes)
        for name, unit, attributes, rate in COUNTERS:
            instrument(meter.create_counter, name, unit).add(rate, attributes)
        tick += 1
        time.sleep(max(0.0, start + tick - time.monotonic()))


main()
