"""Monthly partitions: created ahead, filled from the default partition, retired on time; no row is ever lost."""

import logging
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, connections, transaction
from django.utils import timezone

from apps.accounts.models import Role
from apps.alerts.models import Alert, AlertEvent
from apps.alerts.tasks import keep_partitions
from apps.common import retention
from apps.common.db import partitions
from apps.common.db.partitions import MONTHS_AHEAD
from apps.common.db.scope import system_scope, tenant_scope
from tests.kit.catalogue import relations
from tests.kit.people import Person, PersonFactory
from tests.kit.presses import raise_alert
from tests.kit.school import School

PARENTS: Final = ("alert_history", "alert_events", "alert_notes", "device_metrics")


def months(parent: str) -> dict[str, tuple[str, str]]:
    """Return each month's partition with its bounds."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT c.relname,"
            " regexp_matches(pg_get_expr(c.relpartbound, c.oid), $$FROM \\('(.+)'\\) TO \\('(.+)'\\)$$)"
            " FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass",
            [parent],
        )
        return {name: (start, end) for name, (start, end) in cursor.fetchall()}


def name_of(parent: str, month: date) -> str:
    return f"{parent}_{month:%Y%m}"


def plus(month: date, count: int) -> date:
    index = month.year * 12 + month.month - 1 + count
    return date(index // 12, index % 12 + 1, 1)


def partitions_of(alert: UUID, table: str = "alert_history", column: str = "id") -> list[str]:
    """Return the partitions that contain the alert's rows."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"SELECT tableoid::regclass::text FROM {table} WHERE {column} = %s", [alert])
        return [name for (name,) in cursor.fetchall()]


def call(function: str, parent: str, month: date) -> bool:
    with system_scope(), connections["system"].cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [parent, month])
        row = cursor.fetchone()
    assert row is not None
    return bool(row[0])


def store(school: School, triggered_at: datetime) -> UUID:
    """Store an alert with any time, which ingest would correct, and one step in its timeline."""
    alert = uuid4()
    with tenant_scope([school.organization]):
        Alert.objects.create(
            id=alert,
            organization_id=school.organization,
            alert_id=f"old:{alert}",
            triggered_at=triggered_at,
            severity="high",
            alert_type="medical",
            status="new",
            received_at=triggered_at,
            last_pressed_at=triggered_at,
        )
        AlertEvent.objects.create(
            organization_id=school.organization,
            alert=alert,
            triggered_at=triggered_at,
            kind="alert.raised",
            at=triggered_at,
            actor_kind="gateway",
        )
    return alert


def visible_rows(school: School, alert: UUID) -> tuple[int, int]:
    """Return how many rows of the alert and its timeline the application can read."""
    with tenant_scope([school.organization]):
        return Alert.objects.filter(id=alert).count(), AlertEvent.objects.filter(alert=alert).count()


@pytest.fixture
def person(school: School) -> Person:
    return PersonFactory.create(role=Role.OPERATOR, organization=school.organization)


@pytest.fixture
def century() -> Iterator[date]:
    """A first of January that no other test uses."""
    yield date(next(_years), 1, 1)


_years = iter(range(2200, 9000, 10))


def test_partitions_of_the_next_months_are_created_for_every_table() -> None:
    """For every partitioned table in the catalogue; a second run does nothing."""
    partitioned = {one.name.removeprefix("public.") for one in relations() if one.kind == "p"}
    ruled = {rule.subject for rule in retention.registered() if isinstance(rule, retention.Months)}
    assert ruled == partitioned == set(PARENTS)
    keep_partitions()
    made = {parent: months(parent) for parent in PARENTS}
    this = timezone.now().date().replace(day=1)
    for parent in PARENTS:
        for ahead in range(MONTHS_AHEAD + 1):
            month = plus(this, ahead)
            start, end = made[parent][name_of(parent, month)]
            assert (start, end) == (f"{month} 00:00:00+00", f"{plus(month, 1)} 00:00:00+00")
    keep_partitions()
    assert {parent: months(parent) for parent in PARENTS} == made


def test_alert_in_the_default_partition_stays_readable(school: School, person: Person) -> None:
    """Before and after its month is created: in the list, by id, with its timeline; it can still be acted on."""
    month = plus(timezone.now().date(), 2 * MONTHS_AHEAD)
    start, end = (datetime(one.year, one.month, 1, tzinfo=UTC) for one in (month, plus(month, 1)))
    alert, last, first = (store(school, at) for at in (start, end - timedelta(microseconds=1), end))
    assert partitions_of(alert) == ["alert_history_default"] and visible_rows(school, alert) == (1, 1)
    keep_partitions(month.isoformat())
    for one, its_month in ((alert, month), (last, month), (first, plus(month, 1))):
        assert partitions_of(one) == [name_of("alert_history", its_month)]
        assert partitions_of(one, "alert_events", "alert") == [name_of("alert_events", its_month)]
        assert visible_rows(school, one) == (1, 1)
    listed = person.client.get("/api/v1/alerts").json()["results"]
    assert {item["id"] for item in listed} == {str(alert), str(last), str(first)}


def test_rows_in_the_default_partition_get_their_month_however_distant(school: School) -> None:
    """Even if it is not one of the coming months."""
    far = store(school, datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC))
    keep_partitions()
    assert partitions_of(far) == ["alert_history_209912"] and visible_rows(school, far) == (1, 1)


def test_month_bounds_are_midnight_utc_in_any_session_time_zone(century: date) -> None:
    """Otherwise months would overlap, and an hour would belong to none."""
    for number, zone in enumerate(("America/Chicago", "Pacific/Auckland")):
        month = plus(century, number)
        with system_scope(), connections["system"].cursor() as cursor:
            cursor.execute("SELECT set_config('TimeZone', %s, true)", [zone])
            cursor.execute("SELECT partition_ensure('alert_history', %s)", [month])
        assert months("alert_history")[name_of("alert_history", month)] == (
            f"{month} 00:00:00+00",
            f"{plus(month, 1)} 00:00:00+00",
        )


def test_partition_keeper_catches_up_after_downtime(school: School, century: date) -> None:
    """After half a year of downtime: missed months that have rows, and the months ahead of today."""
    partitions.create("alert_history", today=century)
    missed, today = plus(century, 5), plus(century, 6)
    alert = store(school, datetime(missed.year, missed.month, 9, tzinfo=UTC))
    assert partitions_of(alert) == ["alert_history_default"]
    partitions.create("alert_history", today=today)
    assert partitions_of(alert) == [name_of("alert_history", missed)]
    expected = {plus(century, number) for number in (*range(MONTHS_AHEAD + 1), 5, *range(6, 7 + MONTHS_AHEAD))}
    assert {name_of("alert_history", month) for month in expected} <= set(months("alert_history"))


def test_month_is_retired_after_its_retention_time(school: School) -> None:
    """Detached, not dropped: invisible to the application, complete, and without grants; later months are unchanged."""
    old, kept = (store(school, datetime(2001, month, 15, tzinfo=UTC)) for month in (1, 2))
    for month in (1, 2):
        assert call("partition_ensure", "alert_history", date(2001, month, 1))
    assert sum(partitions.retire("alert_history", keep_months=24, today=date(2003, 2, 28))) >= 1
    assert visible_rows(school, old)[0] == 0 and visible_rows(school, kept)[0] == 1
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT id FROM retired.alert_history_200101")
        assert cursor.fetchall() == [(old,)]
    assert [one.app_grants for one in relations() if one.name == "retired.alert_history_200101"] == [frozenset()]
    with system_scope(), pytest.raises(DatabaseError), connections["system"].cursor() as cursor:
        cursor.execute("SELECT 1 FROM retired.alert_history_200101")


def test_rows_for_a_retired_month_are_not_lost(school: School, caplog: pytest.LogCaptureFixture) -> None:
    """They stay visible; a month that cannot be retired twice is logged, and does not stop the others."""
    month = date(2002, 1, 1)
    call("partition_ensure", "alert_history", month)
    call("partition_retire", "alert_history", month)
    late = store(school, datetime(2002, 1, 15, tzinfo=UTC))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            partitions.create("alert_history", today=date(2004, 2, 1))
            list(partitions.retire("alert_history", keep_months=24, today=date(2004, 2, 1)))
    assert visible_rows(school, late)[0] == 1
    assert call("partition_ensure", "alert_history", date(2002, 3, 1))


@pytest.mark.slow
def test_partition_keeper_does_not_block_an_alarm(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a long transaction reads alerts, the keeper gives up after its time limit and retries on the next run."""
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "100ms")
    day = date(2041, 1, 1)
    release = threading.Event()
    reading = threading.Event()

    def read() -> None:
        with tenant_scope([school.organization]):
            Alert.objects.count()
            reading.set()
            release.wait(30)
        connections.close_all()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert reading.wait(10)
        partitions.create("alert_history", today=day)
        assert name_of("alert_history", day) not in months("alert_history")
        assert raise_alert(school)
    finally:
        release.set()
        reader.join()
    partitions.create("alert_history", today=day)
    assert name_of("alert_history", day) in months("alert_history")


def test_only_the_partition_keeper_can_call_the_partition_functions(century: date) -> None:
    """The application can neither create nor retire a month."""
    for function in ("partition_ensure", "partition_retire"):
        with transaction.atomic(), pytest.raises(DatabaseError), connections["default"].cursor() as cursor:
            cursor.execute(f"SELECT {function}('alert_history', %s)", [century])


def test_new_partition_has_no_grants_and_the_parent_policies(school: School, century: date) -> None:
    """Like the default partitions, it has none."""
    call("partition_ensure", "alert_history", century)
    (made,) = [one for one in relations() if one.name == f"public.{name_of('alert_history', century)}"]
    assert made.is_partition and not made.app_grants
    alert = store(school, datetime(century.year, 1, 2, tzinfo=UTC))
    assert partitions_of(alert) == [name_of("alert_history", century)] and visible_rows(school, alert) == (1, 1)
    with tenant_scope([uuid4()]), connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM alert_history WHERE id = %s", [alert])
        assert cursor.fetchone() == (0,)


def test_triggered_at_never_changes(school: School) -> None:
    """The row would move to another month, separate from its timeline and its id."""
    alert = raise_alert(school)
    with pytest.raises(DatabaseError, match="never changes"), tenant_scope([school.organization]):
        Alert.objects.filter(id=alert).update(triggered_at=timezone.now() + timedelta(days=40))
