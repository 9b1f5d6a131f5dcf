"""Every list and search at size: an index is used, and a lookup by id reads one month only.

The test explains the actual SQL of each request, in a database with many schools.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from apps.accounts.models import Role
from apps.alerts.models import Alert, AlertStatus
from apps.common.db.scope import tenant_scope
from tests.kit.full_school import make_full_school
from tests.kit.people import Person, PersonFactory
from tests.kit.presses import raise_alert
from tests.matrix.asking import ask
from tests.matrix.callers import World
from tests.matrix.entry import At, Entry
from tests.matrix.routes import ENTRIES
from tests.matrix.size import school_copied
from tests.matrix.test_lists import READS
from tests.matrix.things import Things, make

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("plans")]  # three hundred schools are created once

COPIES = 300
ROWS = 30
SMALL = 500
"""Tables with fewer rows may be read completely."""
VISITED = 800
"""Rows of one table that a request may read: a school of this test has fewer of each kind, all schools together 300
times as many. A list that is not bounded by time reads at least one row of each month."""
MONTHS = 4


@dataclass(frozen=True)
class District:
    """A school with thirty rows of everything, among many like it."""

    things: Things
    admin: Person


@pytest.fixture(scope="module")
def district(world: World) -> Iterator[District]:
    """A school with alerts of the last months, and thirty rows of each list."""
    school = make_full_school()
    now = timezone.now()
    with connections["system"].cursor() as cursor:
        for table in ("alert_history", "alert_events", "alert_notes"):
            for month in range(MONTHS):
                cursor.execute("SELECT partition_ensure(%s, %s)", [table, (now - timedelta(days=30 * month)).date()])
    for number in range(ROWS):
        raise_alert(school, at=now - timedelta(days=4 * number))
    with tenant_scope([school.organization]):
        old = Alert.objects.filter(triggered_at__lt=now - timedelta(days=1))
        old.update(status=AlertStatus.RESOLVED, resolved_at=now)
    for word in {entry.rows for entry in ENTRIES if entry.rows}:
        for _ in range(ROWS):
            make(word, school)
    admin = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    with school_copied(school.organization, COPIES):
        yield District(Things(school), admin)


@pytest.mark.parametrize("entry", [one for one in READS if one.names_organization or one.rows], ids=str)
def test_reads_use_indexes(entry: Entry, district: District) -> None:
    """No table of many schools is read completely, and no request reads more rows than its own school has."""
    entry.path.format_map(district.things)
    with explained() as plans:
        answer = ask(entry, district.things, district.admin.token)
    assert answer.status in {entry.ok, 403}, answer.text
    wrong = [f"{defect}: {plan.sql}" for plan in plans for defect in plan.defects(entry)]
    if wrong:
        pytest.fail("\n".join([f"{entry}:", *wrong]), pytrace=False)


@dataclass(frozen=True)
class Plan:
    """The plan with which PostgreSQL ran one statement."""

    sql: str
    tree: Any

    def defects(self, entry: Entry) -> Iterator[str]:
        visited: Counter[str] = Counter()
        months: Counter[str] = Counter()
        for node in _nodes(self.tree):
            if "Relation Name" not in node or not node["Actual Loops"]:
                continue
            table, parent = node["Relation Name"], _parents().get(node["Relation Name"])
            if parent is None and table not in _big_tables():
                continue
            if node["Node Type"] == "Seq Scan" and table in _big_tables():
                yield f"reads all of {table}"
            rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            visited[parent or table] += rows * node["Actual Loops"]
            months[parent or table] += parent is not None
        yield from (f"looks at {rows} rows of {table}" for table, rows in visited.items() if rows > VISITED)
        if entry.at is not At.LIST:
            many = ((table, number) for table, number in months.items() if number > entry.months)
            yield from (f"looks for it in {number} parts of {table}" for table, number in many)


@contextmanager
def explained() -> Iterator[list[Plan]]:
    """Collect the plans of the SELECT statements in the block."""
    plans: list[Plan] = []

    def explain(execute: Callable[..., Any], statement: str, params: Any, many: bool, context: Any) -> Any:
        if (
            statement.lstrip().startswith(("SELECT", "WITH"))
            and " FOR " not in statement
            and "set_config" not in statement
        ):
            raw = connection.connection.cursor()
            raw.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", params)
            plans.append(Plan(statement, raw.fetchone()[0][0]["Plan"]))
        return execute(statement, params, many, context)

    with connection.execute_wrapper(explain):
        yield plans


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


@cache
def _big_tables() -> frozenset[str]:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > %s", [SMALL])
        return frozenset(row[0] for row in cursor.fetchall())


@cache
def _parents() -> dict[str, str]:
    """Return the parent of each partition."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, p.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " JOIN pg_class p ON p.oid = i.inhparent WHERE c.relkind = 'r'"
        )
        return dict(cursor.fetchall())
