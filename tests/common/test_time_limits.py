"""No transaction waits for another without limit: every role has time limits, and a locked alert blocks no other."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connections, transaction
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Role
from apps.alerts.ingest.messages import EventsAnswer
from apps.alerts.models import Alert
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from contracts import ROOT
from tests.kit.people import PersonFactory
from tests.kit.presses import JsonObject, raise_alert, raise_alerts, raised, rfc3339
from tests.kit.presses import send as send_events
from tests.kit.school import School, SchoolFactory

pytestmark = pytest.mark.usefixtures("database")
LIMITS = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
SERVING = ("app", "system")


@contextmanager
def locked(table: str, row: UUID) -> Iterator[None]:
    """Lock this row in another transaction."""
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {table} WHERE id = %s FOR UPDATE", [row])
        assert cursor.fetchone() == (1,)
        yield


def results(answer: EventsAnswer) -> list[str]:
    return [result.result for result in answer.results]


def resolved(alert: JsonObject) -> JsonObject:
    by = {"via": "key_switch", "person": None, "name": None}
    at = rfc3339(timezone.now())
    return {"event_id": str(new_id()), "kind": "alert.resolved", "at": at, "alert_id": alert["alert_id"], "by": by}


def status_of(school: School, alert: UUID) -> str:
    with tenant_scope([school.organization]):
        return Alert.objects.get(id=alert).status


@pytest.mark.parametrize("alias", ["default", "system", "owner"])
def test_connection_uses_the_time_limits_of_its_role(alias: str) -> None:
    role = "app" if alias == "default" else alias
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT name, setting::int FROM pg_settings WHERE name = ANY (%s)", [list(LIMITS)])
        found = dict(cursor.fetchall())
    assert found == settings.DATABASE_TIME_LIMITS[role]
    assert found["lock_timeout"] > 0
    assert role not in SERVING or all(found.values())


def test_database_files_set_the_same_time_limits() -> None:
    """So that connections that do not use the settings (psql, pgbouncer) have them too."""
    text = (ROOT.parent / "deploy" / "postgres" / "roles.sql").read_text()
    found: dict[str, dict[str, int]] = {}
    for role, name, value in re.findall(r"ALTER ROLE safesignal_(\w+) SET (\w+) = (\d+);", text):
        found.setdefault(role, {})[name] = int(value)
    assert found == settings.DATABASE_TIME_LIMITS


def test_ingest_stores_other_events_and_requests_retry_for_a_locked_alert() -> None:
    school = SchoolFactory.create()
    stuck, free = raised(school), raised(school)
    stuck_id, free_id = raise_alerts(school, stuck, free)
    new = raised(school)
    ending = resolved(stuck)
    with locked("alert_history", stuck_id):
        answer = send_events(school, ending, new, resolved(free), resolved(stuck))
        assert results(answer) == ["retry", "stored", "stored", "retry"]
        assert status_of(school, free_id) == "resolved"
    assert status_of(school, stuck_id) == "new"
    assert results(send_events(school, ending, new)) == ["stored", "repeat"]
    assert status_of(school, stuck_id) == "resolved"


@pytest.mark.parametrize("table", ["devices", "rooms", "buildings", "sites", "gateways"])
def test_ingest_requests_retry_for_a_press_with_a_locked_place(table: str) -> None:
    """For example while it is being deleted: the press is neither refused nor lost."""
    school = SchoolFactory.create()
    with tenant_scope([school.organization]), connections["default"].cursor() as cursor:
        cursor.execute("SELECT id FROM devices WHERE device_id = %s", [school.device])
        (device,) = cursor.fetchone()
    rows = {
        "devices": device,
        "rooms": school.room,
        "buildings": school.building,
        "sites": school.site,
        "gateways": school.gateway,
    }
    press = raised(school)
    with locked(table, rows[table]):
        first = results(send_events(school, press))
    assert first in (["retry"], ["stored"])
    assert results(send_events(school, press)) == [{"retry": "stored", "stored": "repeat"}[first[0]]]


def test_raising_does_not_wait_for_a_locked_alert_in_the_same_room() -> None:
    school = SchoolFactory.create()
    stuck = raise_alert(school)
    with locked("alert_history", stuck):
        assert results(send_events(school, raised(school), raised(school))) == ["stored", "stored"]


def test_locked_trouble_does_not_prevent_the_alarm_of_an_unknown_device() -> None:
    school = SchoolFactory.create()
    unknown = f"ss-{new_id().hex[:12]}"
    raise_alert(school, device=unknown)
    with tenant_scope([school.organization]), connections["default"].cursor() as cursor:
        cursor.execute("SELECT id FROM troubles WHERE device_id_text = %s", [unknown])
        (trouble,) = cursor.fetchone()
    with locked("troubles", trouble):
        assert results(send_events(school, raised(school, device=unknown))) == ["stored"]


@pytest.mark.slow
def test_acknowledging_a_locked_alert_is_refused_in_time_and_works_later() -> None:
    school = SchoolFactory.create()
    person = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    alert = raise_alert(school)
    client = Client(headers={"authorization": f"Bearer {person.token}"}, raise_request_exception=False)
    with locked("alert_history", alert):
        answer = client.put(f"/api/v1/alerts/{alert}/acknowledge")
    assert (answer.status_code, answer["Retry-After"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "1")
    assert answer.json()["code"] == "unavailable"
    assert client.put(f"/api/v1/alerts/{alert}/acknowledge").status_code == HTTPStatus.OK
