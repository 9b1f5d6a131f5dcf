"""Every operation of the OpenAPI document, called by every kind of caller with generated data, responds as documented.

The requested resources exist: paths are filled from the table of the matrix (`tests/matrix`), so an entry there
includes a new route. Bounded here; `./dev test --nightly` sends a hundred times as many requests.
"""

import os
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qsl

import pytest
import schemathesis
from django.test import override_settings
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation

from safesignal.wsgi import application
from tests.http.document import document
from tests.kit.passwords import FAST_HASHERS
from tests.kit.quiet import without_request_log
from tests.kit.routes import shape
from tests.matrix.callers import Caller, World, callers, make_world
from tests.matrix.entry import Entry
from tests.matrix.routes import ENTRIES

pytestmark = pytest.mark.slow

EXAMPLES: Final = 300 if os.environ.get("SAFESIGNAL_NIGHTLY") else 3
ASK: Final = ("anonymous", "super admin", "admin", "manager", "operator", "viewer", "gateway")
"""Prefixes of the names of callers, each requesting data of their own school."""
SCHEMA: Final = schemathesis.openapi.from_dict(document())
SCHEMA.app = application
OPERATIONS: Final = [result.ok() for result in SCHEMA.get_all_operations() if isinstance(result, Ok)]

load_all_checks()
AS_DOCUMENTED: Final = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)
Operation = APIOperation[Any, Any, Any, Any]
each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)


@pytest.fixture(scope="module")
def world(database: None) -> Iterator[World]:
    unlimited = {"user": 10**9, "organization": 10**9, "address": 10**9}
    with without_request_log(), override_settings(PASSWORD_HASHERS=FAST_HASHERS, RATE_LIMITS=unlimited):
        yield make_world()


@pytest.fixture(scope="module")
def everybody(world: World) -> list[tuple[Caller, str | None]]:
    ours = [caller for caller in callers(world) if caller.asked is world.school and "another" not in caller.name]
    chosen = [next(caller for caller in ours if caller.name.startswith(beginning)) for beginning in ASK]
    return [(caller, caller.make_token()) for caller in chosen]


@each_operation
def test_matrix_requests_are_answered_as_documented(
    operation: Operation, everybody: list[tuple[Caller, str | None]]
) -> None:
    """Well-formed requests about existing resources, so that successful responses are covered too."""
    entries = entries_of(operation)
    assert entries, f"{operation.label} has no entry in tests/matrix/routes/"
    for entry in entries:
        for caller, token in everybody:
            case: Any = operation.Case(path_parameters=path_parameters(operation, entry, caller))
            case.query.update(parse_qsl(entry.path.format_map(caller.asked).partition("?")[2]))
            sent = dict(entry.headers(caller.asked)) if entry.headers else {}
            if entry.body:
                case.body, case.media_type = entry.body(caller.asked), entry.content_type
            ask(case, caller.make_token() if entry.uses_caller else token, **sent)
            caller.asked.use_up()


@each_operation
def test_generated_requests_are_answered_as_documented(
    operation: Operation, everybody: list[tuple[Caller, str | None]]
) -> None:
    """Bodies, queries and headers that the document allows, and invalid ones."""
    entry = next(iter(entries_of(operation)), None)
    modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    strategies = [strategy for mode in modes if (strategy := strategy_of(operation, mode)) is not None]

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(st.data())
    def asked(data: st.DataObject) -> None:
        case = data.draw(st.one_of(strategies))
        is_about_ours = data.draw(st.integers(0, 3)) > 0
        for caller, token in everybody:
            if entry and is_about_ours:
                case.path_parameters = path_parameters(operation, entry, caller)
            ask(case, caller.make_token() if entry and entry.uses_caller else token)
            caller.asked.use_up()

    asked()


def ask(case: Any, token: str | None, **headers: str) -> None:
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    case.call_and_validate(headers=headers, checks=AS_DOCUMENTED)


def strategy_of(operation: Operation, mode: GenerationMode) -> st.SearchStrategy[Any] | None:
    """Return None if the operation has no input that could be invalid."""
    strategy = operation.as_strategy(generation_mode=mode)
    return None if strategy.is_empty else strategy


def entries_of(operation: Operation) -> list[Entry]:
    return [
        entry
        for entry in ENTRIES
        if entry.method == operation.method.upper() and shape(entry.path) == shape(operation.path)
    ]


def path_parameters(operation: Operation, entry: Entry, caller: Caller) -> dict[str, str]:
    """Return the words that the entry has in place of the document's parameters."""
    words = entry.path.partition("?")[0].format_map(caller.asked).split("/")
    names = operation.path.split("/")
    return {name[1:-1]: word for name, word in zip(names, words, strict=True) if name.startswith("{")}
