"""Metrics for Prometheus, counted separately by each process."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})

_requests = Histogram(
    "safesignal_http_request_seconds",
    "Requests by route, and how long they took.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
alerts_raised = Counter("safesignal_alerts_raised_total", "Alerts that were stored.", ["alert_type", "drill"])
ingest_seconds = Histogram(
    "safesignal_ingest_seconds",
    "A gateway's batch, from its arrival to before its commit.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
live_clients = Gauge("safesignal_live_clients", "Open sockets and streams.", multiprocess_mode="livesum")
_outbox_depth = Gauge("safesignal_outbox_depth", "Feed events that wait for the relay.", multiprocess_mode="mostrecent")
_relay_lag = Gauge(
    "safesignal_relay_lag_seconds", "How long the oldest of them has waited.", multiprocess_mode="mostrecent"
)


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one finished request; all unknown methods count as one."""
    _requests.labels(method if method in METHODS else "other", route, status).observe(seconds)


def show_outbox(waiting: float, oldest_seconds: float) -> None:
    """Set how many feed events wait for the relay, and for how long; NaN if the database did not respond."""
    _outbox_depth.set(waiting)
    _relay_lag.set(oldest_seconds)
