"""The live application in this process, with a transport that can be blocked and a short ping interval."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
import pytest

from apps.accounts.models import Membership, Role
from apps.alerts.live import session
from apps.alerts.live.hub import QUEUE_SIZE, Client, hub
from apps.common import feed
from apps.common.db.scope import tenant_scope
from apps.common.feed import Audience
from contracts.validation import problems
from safesignal.asgi import application
from tests.kit.feed import feed_seqs
from tests.kit.patience import WAIT_SECONDS
from tests.kit.people import Person
from tests.kit.school import School

pytestmark = pytest.mark.slow

TOO_SLOW = 4408
INTERNAL_ERROR = 1011  # RFC 6455, 7.4.1
SECONDS = WAIT_SECONDS


class HeldTransport:
    """A transport that accepts messages only while `open` is set, like a network whose other end does not read."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.waiting = asyncio.Event()
        self._coming: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self._coming.put_nowait({"type": "websocket.connect"})
        self._coming.put_nowait({"type": "websocket.receive", "text": '{"type":"resume","organizations":{}}'})

    async def receive(self) -> Mapping[str, Any]:
        return await self._coming.get()

    async def send(self, message: dict[str, Any]) -> None:
        if not self.open.is_set():
            self.waiting.set()
        await self.open.wait()
        self.sent.put_nowait(message)

    async def next(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.sent.get(), SECONDS)


def connect(transport: HeldTransport, person: Person) -> asyncio.Task[None]:
    hub.cache_clear()  # One hub for one event loop.
    scope = {
        "type": "websocket",
        "path": "/ws/alerts",
        "headers": [(b"authorization", f"Bearer {person.token}".encode())],
        "subprotocols": [],
    }
    return asyncio.create_task(application(scope, transport.receive, transport.send))


async def commit_messages(organization: UUID, count: int) -> None:
    """Commit `count` messages; all local queues contain them when this returns."""

    def write() -> None:
        with tenant_scope([organization]):
            for _ in range(count):
                feed.announce(
                    organization_id=organization, kind="test.said", audience=Audience.STAFF, payload='{"text":"x"}'
                )

    await asyncio.to_thread(write)
    await hub().join(Client({organization: lambda _: False}))


def types(message: Mapping[str, Any]) -> str:
    return str(msgspec.json.decode(message["text"])["type"])


async def test_slow_client_is_closed(school: School, operator: Person) -> None:
    """Its code means "resume". It costs the process one queue, however long the client is stalled."""
    transport = HeldTransport()
    task = connect(transport, operator)
    assert (await transport.next())["type"] == "websocket.accept"
    assert types(await transport.next()) == "ready"
    transport.open.clear()
    await commit_messages(school.organization, 1)
    await asyncio.wait_for(transport.waiting.wait(), SECONDS)
    await commit_messages(school.organization, QUEUE_SIZE + 1)
    transport.open.set()
    assert types(await transport.next()) == "test.said"
    assert await transport.next() == {"type": "websocket.close", "code": TOO_SLOW}
    task.cancel()


async def test_connection_is_closed_when_serving_it_fails(
    school: School, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A screen whose connection stayed open but silent would keep reporting that all is well."""

    def fails(self: object, message: object) -> str:
        raise RuntimeError("something unforeseen")

    monkeypatch.setattr(session.Session, "_message", fails)
    transport = HeldTransport()
    task = connect(transport, operator)
    assert (await transport.next())["type"] == "websocket.accept"
    assert types(await transport.next()) == "ready"
    await commit_messages(school.organization, 1)
    assert await transport.next() == {"type": "websocket.close", "code": INTERNAL_ERROR}
    task.cancel()


async def test_ping_carries_the_head_of_the_feed(
    school: School, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A board can detect from it that it is behind."""
    monkeypatch.setattr(session, "PING_SECONDS", 0.05)
    transport = HeldTransport()
    task = connect(transport, operator)
    await transport.next()
    assert types(await transport.next()) == "ready"
    await commit_messages(school.organization, 3)
    found = [await transport.next() for _ in range(4)]
    ping = next(message for message in found if types(message) == "ping")
    assert problems("live", ping["text"].encode()) == []
    head = (await asyncio.to_thread(feed_seqs, school))[-1]
    expected = {str(school.organization): head}
    while types(ping) != "ping" or msgspec.json.decode(ping["text"])["organizations"] != expected:
        ping = await transport.next()
    task.cancel()


@pytest.mark.parametrize("role", [None, Role.VIEWER])
async def test_stream_ends_when_the_membership_ends(
    school: School, operator: Person, role: Role | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reduced role does the same: permission is not checked only at the start."""
    monkeypatch.setattr(session, "PING_SECONDS", 0.05)
    transport = HeldTransport()
    hub.cache_clear()
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/v1/alerts/stream",
        "headers": [(b"authorization", f"Bearer {operator.token}".encode())],
    }
    task = asyncio.create_task(application(scope, transport.receive, transport.send))
    assert (await transport.next())["status"] == 200
    for _ in range(3):
        assert (await transport.next())["more_body"]

    def end() -> None:
        with tenant_scope([school.organization]):
            membership = Membership.objects.filter(user_id=operator.id)
            membership.update(role=role) if role else membership.delete()

    await asyncio.to_thread(end)
    await asyncio.wait_for(task, SECONDS)
