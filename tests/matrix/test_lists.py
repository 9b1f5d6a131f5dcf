"""The number of queries of a list does not grow with its length."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Role
from tests.kit.people import PersonFactory
from tests.kit.school import SchoolFactory
from tests.matrix.asking import ask
from tests.matrix.callers import Caller, World
from tests.matrix.entry import At, Entry
from tests.matrix.expected import may
from tests.matrix.routes import ENTRIES
from tests.matrix.things import Things, make

pytestmark = pytest.mark.slow

READS = [entry for entry in ENTRIES if entry.method == "GET"]
LISTS = [entry for entry in READS if entry.rows]
FEW, MANY = 2, 30


@pytest.mark.parametrize("entry", LISTS, ids=str)
def test_list_query_count_does_not_depend_on_its_length(entry: Entry, world: World) -> None:
    """Requested with 2 rows and with 30, for a separate school."""
    things = Things(SchoolFactory.create())
    token = PersonFactory.create(role=Role.ADMIN, organization=things.school.organization).token
    counts = []
    for length in (FEW, MANY - FEW):
        for _ in range(length):
            make(entry.rows, things.school)
        with CaptureQueriesContext(connection) as queries:
            answer = ask(entry, things, token)
        assert answer.status == entry.ok, answer.text
        counts.append(len(queries))
    assert counts[0] == counts[1], f"{entry}: {counts[0]} queries for {FEW} rows, {counts[1]} for {MANY}"


def test_every_list_has_rows_in_its_entry(world: World, everybody: list[tuple[Caller, str | None]]) -> None:
    """An endpoint that returns `results` names in its entry the maker of one more row."""
    admin, token = next(pair for pair in everybody if pair[0].name == "admin of the school")
    unknown = []
    for entry in READS:
        if entry.rows or entry.at is At.OPEN or not may(entry, admin):
            continue
        answer = ask(entry, world.school, token)
        if answer.content_type.startswith("application/json") and _is_list(json.loads(answer.text)):
            unknown.append(str(entry))
    assert not unknown, f"These endpoints are lists: set `rows` of their entries to a word of things.py. {unknown}"


def _is_list(document: object) -> bool:
    return isinstance(document, list) or (isinstance(document, dict) and "results" in document)
