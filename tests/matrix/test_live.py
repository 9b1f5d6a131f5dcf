"""Listeners receive only their own events: every live endpoint with every caller, with alerts in all schools."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import pytest
from django.db import connections

from apps.alerts.live.stream import PATH as STREAM
from safesignal.asgi import SOCKETS
from tests.kit.patience import WAIT_SECONDS
from tests.kit.presses import alert_elsewhere, raise_alert
from tests.kit.server import Server, running_server
from tests.matrix.callers import Caller, World
from tests.matrix.entry import At
from tests.matrix.expected import rights_at
from tests.matrix.listening import Listener, listening
from tests.matrix.things import Things

PEOPLE, GATEWAYS = ("/ws/alerts", STREAM), ("/ws/edge",)
"""The callers that each live endpoint accepts; a new one belongs in one of the two."""
ANONYMOUS: Final = {"/ws/": 4401, "/api/": 401}
NO_RIGHT: Final = {"/ws/": 4403, "/api/": 403}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(world: World) -> Iterator[Server]:
    with running_server() as running:
        yield running


def test_every_live_endpoint_is_tested() -> None:
    """A socket that is not listed here fails the test."""
    assert {path for path in (*PEOPLE, *GATEWAYS) if path.startswith("/ws/")} == set(SOCKETS)


async def test_callers_receive_events_according_to_the_role_table(
    server: Server, world: World, everybody: list[tuple[Caller, str | None]]
) -> None:
    """Without the right an endpoint closes with its code; no caller receives alerts of another school or building, and
    silent alerts reach only the response team.
    """
    listeners = [
        (Listener(caller, endpoint), token) for endpoint in (*PEOPLE, *GATEWAYS) for caller, token in everybody
    ]
    async with listening(server, listeners):
        raised = await asyncio.to_thread(_in_a_thread, world)
        await _wait_for_expected([listener for listener, _ in listeners], raised)
        await _wait_for_silence([listener for listener, _ in listeners])
    wrong = [f"{listener}: {defect}" for listener, _ in listeners for defect in _defects(listener, raised)]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


@dataclass(frozen=True)
class Raised:
    """An alert of this test."""

    name: str
    school: Things
    building: UUID
    is_silent: bool
    id: UUID

    def is_for(self, caller: Caller) -> bool:
        """Whether a listening caller receives it."""
        if caller.home is not self.school or caller.building not in (None, self.building):
            return False
        if caller.kind == "gateway":
            return self.building == self.school.school.building
        return not self.is_silent or "silent_alerts:read" in caller.rights


def _in_a_thread(world: World) -> list[Raised]:
    try:
        return _raise_everywhere(world)
    finally:
        connections.close_all()


def _raise_everywhere(world: World) -> list[Raised]:
    raised = []
    for things in (world.other, world.suspended, world.school):
        one = things.school
        raised += [
            Raised("an alert", things, one.building, False, raise_alert(one)),
            Raised("a silent alert", things, one.building, True, raise_alert(one, silent=True)),
            Raised("an alert elsewhere", things, one.other_building, False, alert_elsewhere(one)),
        ]
    return raised


def _may_listen(listener: Listener) -> bool:
    caller = listener.caller
    if listener.endpoint in GATEWAYS:
        return caller.kind == "gateway"
    return caller.kind in {"person", "service"} and bool(
        {"alerts:read", "open_alerts:read"} & rights_at(At.LIST, caller)
    )


def _defects(listener: Listener, raised: list[Raised]) -> list[str]:
    if not _may_listen(listener):
        codes = NO_RIGHT if listener.caller.kind else ANONYMOUS
        expected = next(code for start, code in codes.items() if listener.endpoint.startswith(start))
        return [] if listener.refused == expected else [f"was answered {listener.refused or 'ready'}, not {expected}"]
    if listener.refused:
        return [f"was refused with {listener.refused}"]
    wrong = []
    for alert in raised:
        if listener.has_received(str(alert.id)) is not alert.is_for(listener.caller):
            what = "did not receive" if alert.is_for(listener.caller) else "received"
            wrong.append(f"{what} {alert.name}")
    return wrong


async def _wait_for_expected(listeners: list[Listener], raised: list[Raised]) -> None:
    """Wait until every caller has received its events; a missing event at the deadline is a defect."""
    expected = [
        (listener, str(alert.id))
        for listener in listeners
        if _may_listen(listener)
        for alert in raised
        if alert.is_for(listener.caller)
    ]
    deadline = time.monotonic() + WAIT_SECONDS
    while not all(listener.has_received(id_) for listener, id_ in expected) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)


async def _wait_for_silence(listeners: list[Listener]) -> None:
    """Wait until no message has arrived for a while."""
    before = -1
    while before != (now := sum(len(listener.texts) for listener in listeners)):
        before = now
        await asyncio.sleep(1)
