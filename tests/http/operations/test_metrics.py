"""Metrics are for operators only."""

import re

import pytest
from django.db import connections
from django.test import Client
from pytest_django import Settings

from apps.accounts.models import Role
from apps.common.feed.relay import publish_unsent
from tests.kit.people import PersonFactory
from tests.kit.presses import raise_alert
from tests.kit.school import School

pytestmark = pytest.mark.slow


def metrics(client: Client | None = None) -> str:
    answer = (client or Client()).get("/metrics")
    assert answer.status_code == 200
    return answer.content.decode()


def metric(name: str, **labels: str) -> float:
    """Return the value of one line; 0 if it does not exist yet."""
    wanted = {f'{label}="{value}"' for label, value in labels.items()}
    for line in metrics().splitlines():
        found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if found and wanted <= set((found[1] or "").split(",")):
            return float(found[2])
    return 0.0


def test_metrics_are_readable_locally_but_not_through_a_proxy() -> None:
    assert Client(REMOTE_ADDR="::1").get("/metrics").status_code == 200
    assert Client(REMOTE_ADDR="203.0.113.7").get("/metrics").status_code == 404
    assert Client(headers={"x-forwarded-for": "203.0.113.7"}).get("/metrics").status_code == 404


def test_metrics_require_the_token_when_one_is_set(settings: Settings) -> None:
    settings.METRICS_TOKEN = "a-long-secret"
    assert Client().get("/metrics").status_code == 404
    assert Client(headers={"authorization": "Bearer wrong"}).get("/metrics").status_code == 404
    remote = Client(REMOTE_ADDR="203.0.113.7", headers={"authorization": "Bearer a-long-secret"})
    assert "safesignal_" in metrics(remote)


def test_requests_are_counted_by_route_and_never_by_path(school: School) -> None:
    alert = raise_alert(school)
    labels = {"method": "GET", "route": "api/v1/alerts/<uuid:alert_uuid>", "status": "200"}
    before = metric("safesignal_http_request_seconds_count", **labels)
    PersonFactory.create(role=Role.OPERATOR, organization=school.organization).client.get(f"/api/v1/alerts/{alert}")
    assert metric("safesignal_http_request_seconds_count", **labels) == before + 1
    assert str(alert) not in metrics()


def test_unknown_method_creates_no_metric() -> None:
    Client().generic("BREW", "/api/v1/alerts")
    assert "BREW" not in metrics()
    assert metric("safesignal_http_request_seconds_count", method="other", status="401") >= 1


def test_alerts_are_counted_by_type_without_repeats(school: School) -> None:
    before = metric("safesignal_alerts_raised_total", alert_type="hazmat", drill="false")
    raise_alert(school, alert_type="hazmat")
    assert metric("safesignal_alerts_raised_total", alert_type="hazmat", drill="false") == before + 1


def test_outbox_depth_counts_events_waiting_for_the_relay(school: School) -> None:
    while publish_unsent():
        pass
    assert metric("safesignal_outbox_depth") == 0
    raise_alert(school)
    assert metric("safesignal_outbox_depth") == waiting() >= 1
    assert metric("safesignal_relay_lag_seconds") > 0
    while publish_unsent():
        pass
    assert (metric("safesignal_outbox_depth"), metric("safesignal_relay_lag_seconds")) == (0, 0)


@pytest.mark.parametrize("kind", ["gauge", "counter", "histogram"])
def test_every_metric_has_a_type_and_help(kind: str) -> None:
    names = re.findall(rf"^# TYPE (safesignal_\S+) {kind}$", metrics(), re.MULTILINE)
    assert names
    for name in names:
        assert re.search(rf"^# HELP {name} \S.+\.$", metrics(), re.MULTILINE), name


def waiting() -> int:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM feed_events WHERE sent_at IS NULL")
        return int(cursor.fetchone()[0])
