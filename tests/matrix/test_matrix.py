"""Callers get only their own data: every route, with every method, requested by every caller."""

import pytest

from tests.kit.routes import METHODS, Route, found_routes, shape
from tests.matrix.asking import Answer, ask
from tests.matrix.callers import Caller, World
from tests.matrix.entry import At, Entry
from tests.matrix.expected import expected_status, may
from tests.matrix.routes import ENTRIES

pytestmark = pytest.mark.slow

PROBLEM = "application/problem+json"
ADD = "add an Entry for it in tests/matrix/routes/"


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_responses_follow_the_role_table_for_every_caller(
    entry: Entry, world: World, everybody: list[tuple[Caller, str | None]]
) -> None:
    """401 for anonymous callers, 404 for strangers, 403 without the right. An accepted request leaves one audit row for
    each change, a refused one none. No response reveals data of another school.
    """
    wrong = []
    for caller, token in everybody:
        answer = ask(entry, caller.asked, caller.make_token() if entry.uses_caller else token)
        wrong += [f"{caller}: {what}" for what in _defects(entry, caller, answer, world)]
        if answer.changes:
            caller.asked.use_up()
    if wrong:
        pytest.fail("\n".join([f"{entry}:", *wrong]), pytrace=False)


@pytest.mark.parametrize("route", found_routes(), ids=lambda route: route.path)
def test_every_route_has_an_entry(route: Route, world: World, everybody: list[tuple[Caller, str | None]]) -> None:
    """A route or method without an entry fails here; a method that a view does not support returns 405."""
    listed = {entry.method for entry in ENTRIES if shape(entry.path) == shape(route.path)}
    if not listed:
        pytest.fail(f"{route.path} has no entry: {ADD}", pytrace=False)
    if route.methods is not None:
        taken = sorted(route.methods - listed)
    else:
        admin = next(token for caller, token in everybody if caller.name == "admin of the school")
        path = next(entry.path for entry in ENTRIES if shape(entry.path) == shape(route.path))
        others = [Entry(method, path) for method in METHODS if method not in listed]
        taken = [entry.method for entry in others if ask(entry, world.school, admin).status != 405]
    if taken:
        pytest.fail(f"{route.path} takes {', '.join(taken)}: {ADD}", pytrace=False)


def test_every_entry_has_a_route() -> None:
    """The entry of a removed route is deleted with it."""
    known = {shape(route.path) for route in found_routes()}
    assert [str(entry) for entry in ENTRIES if shape(entry.path) not in known] == []


def _defects(entry: Entry, caller: Caller, answer: Answer, world: World) -> list[str]:
    defects = []
    expected = expected_status(entry, caller)
    if answer.status != expected:
        defects.append(f"answered {answer.status}, expected {expected}: {answer.text[:300]}")
    if answer.status >= 400 and not (entry.is_page or entry.is_admin) and not answer.content_type.startswith(PROBLEM):
        defects.append(f"refused in {answer.content_type or 'no content type'}")
    changes = entry.expected_changes if may(entry, caller) and not entry.but.keys() & {caller.name} else []
    if answer.changes != changes:
        defects.append(f"left {answer.changes} in the audit trail, expected {changes}")
    if entry.at is not At.OPEN and not entry.repeats_what_was_typed:
        path = entry.path.format_map(caller.asked)
        leaked = [one for one in world.forbidden_ids(caller) if one in answer.text and one not in path]
        if leaked:
            defects.append(f"revealed {leaked}")
    return defects
