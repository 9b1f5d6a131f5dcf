"""Figures for operators, and for nobody else."""

import re

import pytest
from django.db import connections
from django.test import Client
from pytest_django import Settings

from apps.accounts.models import Role
from apps.common.feed.relay import publish_unsent
from tests.cloud.school import School, make_person, raise_alert

pytestmark = pytest.mark.slow


def figures(client: Client | None = None) -> str:
    answer = (client or Client()).get("/metrics")
    assert answer.status_code == 200
    return answer.content.decode()


def figure(name: str, **labels: str) -> float:
    """The value of one line; 0 for one that is not there yet."""
    wanted = {f'{label}="{value}"' for label, value in labels.items()}
    for line in figures().splitlines():
        found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if found and wanted <= set((found[1] or "").split(",")):
            return float(found[2])
    return 0.0


def test_this_machine_may_read_them_and_a_proxy_may_not_on_behalf_of_others() -> None:
    assert Client(REMOTE_ADDR="::1").get("/metrics").status_code == 200
    assert Client(REMOTE_ADDR="203.0.113.7").get("/metrics").status_code == 404
    assert Client(headers={"x-forwarded-for": "203.0.113.7"}).get("/metrics").status_code == 404


def test_with_a_token_only_who_names_it_reads(settings: Settings) -> None:
    settings.METRICS_TOKEN = "a-long-secret"
    assert Client().get("/metrics").status_code == 404
    assert Client(headers={"authorization": "Bearer wrong"}).get("/metrics").status_code == 404
    far = Client(REMOTE_ADDR="203.0.113.7", headers={"authorization": "Bearer a-long-secret"})
    assert "safesignal_" in figures(far)


def test_a_request_is_counted_by_its_route_and_never_by_what_was_asked(school: School) -> None:
    alert = raise_alert(school)
    labels = {"method": "GET", "route": "api/v1/alerts/<uuid:alert_uuid>", "status": "200"}
    before = figure("safesignal_http_request_seconds_count", **labels)
    make_person(Role.OPERATOR, school.organization).client.get(f"/api/v1/alerts/{alert}")
    assert figure("safesignal_http_request_seconds_count", **labels) == before + 1
    assert str(alert) not in figures()


def test_a_method_that_nobody_knows_makes_no_figure_of_its_own() -> None:
    Client().generic("BREW", "/api/v1/alerts")
    assert "BREW" not in figures()
    assert figure("safesignal_http_request_seconds_count", method="other", status="401") >= 1


def test_an_alert_is_counted_by_type_and_a_repeat_of_it_is_not(school: School) -> None:
    before = figure("safesignal_alerts_raised_total", alert_type="hazmat", drill="false")
    raise_alert(school, alert_type="hazmat")
    assert figure("safesignal_alerts_raised_total", alert_type="hazmat", drill="false") == before + 1


def test_the_outbox_is_as_deep_as_what_waits_for_the_relay(school: School) -> None:
    while publish_unsent():
        pass
    assert figure("safesignal_outbox_depth") == 0
    raise_alert(school)
    assert figure("safesignal_outbox_depth") == waiting() >= 1
    assert figure("safesignal_relay_lag_seconds") > 0
    while publish_unsent():
        pass
    assert (figure("safesignal_outbox_depth"), figure("safesignal_relay_lag_seconds")) == (0, 0)


@pytest.mark.parametrize("kind", ["gauge", "counter", "histogram"])
def test_each_figure_says_what_it_is(kind: str) -> None:
    names = re.findall(rf"^# TYPE (safesignal_\S+) {kind}$", figures(), re.MULTILINE)
    assert names
    for name in names:
        assert re.search(rf"^# HELP {name} \S.+\.$", figures(), re.MULTILINE), name


def waiting() -> int:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM feed_events WHERE sent_at IS NULL")
        return int(cursor.fetchone()[0])
