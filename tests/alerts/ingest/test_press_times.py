"""Presses are dated by an interval: a press joins an alert only if it was certainly made while the alert was open."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import Role
from apps.alerts.models import Alert
from apps.common.db.scope import tenant_scope
from tests.kit.people import Person, PersonFactory
from tests.kit.presses import JsonObject, hops, pressed_again, raise_alerts, raised, rfc3339, send
from tests.kit.school import School

SECOND = timedelta(seconds=1)
SLOW = timedelta(minutes=10)


def resolve(person: Person, alert: object) -> datetime:
    """Resolve an alert; return when it was closed."""
    answer = person.client.put(f"/api/v1/alerts/{alert}/resolve")
    assert answer.status_code == 200
    return datetime.fromisoformat(answer.json()["resolved_at"])


def open_alerts(person: Person) -> list[Any]:
    found: list[Any] = person.client.get("/api/v1/alerts", {"status": "open"}).json()["results"]
    return found


def presses(person: Person, alert: object) -> int:
    count: int = person.client.get(f"/api/v1/alerts/{alert}").json()["presses"]
    return count


def test_press_of_a_slow_button_after_a_close_is_a_new_alert(school: School, operator: Person) -> None:
    """Its clock reads 25 s before the close; the gateway knows that the press arrived after it."""
    first = raised(school, at=timezone.now() - timedelta(minutes=1))
    (alert,) = raise_alerts(school, first)
    closed_at = resolve(operator, alert)
    said, arrived = closed_at - timedelta(seconds=24), closed_at + SECOND
    late = pressed_again(first, at=said, hops=hops(said, earliest=said, latest=arrived))
    assert [result.result for result in send(school, late, at=arrived + SECOND).results] == ["stored"]
    (new,) = open_alerts(operator)
    assert new["alert_id"].endswith(f":{late['seq']}") and presses(operator, alert) == 1


@pytest.mark.parametrize("interval", [True, False], ids=["interval", "no interval"])
def test_press_of_a_slow_gateway_is_a_new_alert_after_clock_correction(
    school: School, operator: Person, interval: bool
) -> None:
    """At the press its clock was ten minutes slow without its knowledge; when it sends, its clock is right."""
    first = raised(school, at=timezone.now() - timedelta(minutes=20))
    (alert,) = raise_alerts(school, first)
    closed_at = resolve(operator, alert)
    said = closed_at + SECOND - SLOW
    bounds = {"earliest_at": rfc3339(said), "latest_at": None} if interval else {}
    reported = {name: value for name, value in hops(said).items() if name not in ("earliest_at", "latest_at")} | bounds
    sent = closed_at + timedelta(minutes=1)
    late = pressed_again(first, at=said, hops=reported)
    assert [result.result for result in send(school, late, at=sent, sent_at=sent).results] == ["stored"]
    assert len(open_alerts(operator)) == 1 and presses(operator, alert) == 1


def test_press_certainly_made_before_a_close_joins_the_closed_alert(school: School, operator: Person) -> None:
    """Reported later by a gateway that was offline: a person closed the alert after the press was made."""
    start = timezone.now() - timedelta(minutes=5)
    first = raised(school, at=start, hops=hops(start))
    (alert,) = raise_alerts(school, first)
    resolve(operator, alert)
    late = pressed_again(first, at=start + timedelta(minutes=1))
    assert [result.result for result in send(school, late, late).results] == ["stored", "repeat"]
    assert open_alerts(operator) == [] and presses(operator, alert) == 2


@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_press_joins_a_closed_alert_only_if_its_latest_time_is_before_the_close(
    school: School, operator: Person, seconds: int
) -> None:
    start = timezone.now() - timedelta(minutes=5)
    first = raised(school, at=start, hops=hops(start))
    (alert,) = raise_alerts(school, first)
    closed_at = resolve(operator, alert)
    latest = closed_at + seconds * SECOND
    late = pressed_again(first, at=start + SECOND, hops=hops(start + SECOND, latest=latest))
    send(school, late, at=closed_at + timedelta(minutes=1))
    assert len(open_alerts(operator)) == (seconds >= 0)


def test_press_possibly_made_before_an_alert_joins_it_only_while_open(school: School, operator: Person) -> None:
    """An open alert is still visible to everyone; a closed alert would hide a press that it may not have been about."""
    start = timezone.now() - timedelta(minutes=5)
    first = raised(school, at=start, hops=hops(start, earliest=start - SECOND))
    (alert,) = raise_alerts(school, first)
    later = start + SECOND
    within = hops(later, earliest=start - SECOND)
    before = hops(later, earliest=start - 2 * SECOND)
    send(school, pressed_again(first, at=later, hops=before))
    resolve(operator, alert)
    send(school, pressed_again(first, at=later, hops=within))
    assert open_alerts(operator) == [] and presses(operator, alert) == 3
    send(school, pressed_again(first, at=later, hops=before))
    assert len(open_alerts(operator)) == 1 and presses(operator, alert) == 3


@pytest.mark.parametrize("alert_is_silent", [True, False])
def test_silent_and_loud_presses_never_join_each_other(school: School, operator: Person, alert_is_silent: bool) -> None:
    """Neither the alert that the gateway names nor the one that followed a close: their audiences differ."""
    admin = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    start = timezone.now() - timedelta(minutes=5)
    first = raised(school, at=start, hops=hops(start), silent=alert_is_silent)
    (alert,) = raise_alerts(school, first)
    resolve(admin, alert)
    followed = raised(school, at=start + SECOND, hops=hops(start + SECOND), silent=not alert_is_silent)
    raise_alerts(school, followed)
    later = timezone.now()
    same = pressed_again(first, at=later)
    other = pressed_again(first, at=later, silent=not alert_is_silent)
    assert [result.result for result in send(school, same, other).results] == ["stored", "stored"]
    found = {open_alert["alert_id"]: open_alert for open_alert in open_alerts(admin)}
    assert found[f"{same['device']}:{same['inst']}:{same['seq']}"]["is_silent"] is alert_is_silent
    assert {one["alert_id"]: one["presses"] for one in found.values() if one["is_silent"] is not alert_is_silent} == {
        followed["alert_id"]: 2
    }


@pytest.mark.parametrize("changed", [{"type": "lockdown"}, {"silent": True}], ids=["graver", "silent"])
def test_press_of_another_kind_is_a_separate_alert(school: School, operator: Person, changed: JsonObject) -> None:
    now = timezone.now()
    first = raised(school, at=now, hops=hops(now))
    raise_alerts(school, first)
    send(school, pressed_again(first, at=now, **changed))
    with tenant_scope([school.organization]):
        assert sorted(Alert.objects.values_list("presses", flat=True)) == [1, 1]


def test_press_is_never_dated_after_its_arrival(school: School, operator: Person) -> None:
    """From a gateway whose clock is hours fast: no alert is closed before it was raised."""
    ahead = timezone.now() + timedelta(hours=20)
    raise_alerts(school, raised(school, at=ahead))
    (alert,) = open_alerts(operator)
    assert datetime.fromisoformat(alert["triggered_at"]) <= timezone.now()
