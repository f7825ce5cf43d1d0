"""Figures of a running server, for Prometheus."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from cutis.web.clinic.engine import Engine

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS = ("GET", "HEAD", "POST")


class Metrics:
    """Counts of one app; ``running`` is the number of requests that are being answered."""

    def __init__(self, engine: Engine) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "cutis_requests", "Requests answered.", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "cutis_request_seconds", "Time to answer.", ["route"], buckets=_SECONDS, registry=self._registry
        )
        self.running = Gauge("cutis_requests_running", "Requests being answered.", registry=self._registry)
        self._registry.register(_OfEngine(engine))

    def tell(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; ``route`` is a template, so that their number is bounded."""
        self._requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All figures, in Prometheus's text format."""
        return generate_latest(self._registry)


class _OfEngine:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        """The engine's own counts, read when they are asked for."""
        engine = self._engine
        yield GaugeMetricFamily("cutis_images_waiting", "Photographs decoded, waiting or answered now.", engine.waiting)
        yield GaugeMetricFamily("cutis_images_waiting_limit", "How many may.", engine.limits.waiting)
        yield CounterMetricFamily("cutis_images", "Photographs answered.", value=engine.answered)
        yield CounterMetricFamily("cutis_network_runs", "Runs of the network.", value=engine.runs)
