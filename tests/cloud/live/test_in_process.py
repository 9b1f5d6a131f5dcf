"""The live application in this process: with a transport that can be held up, and pings that come soon."""

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
from tests.cloud.school import Person, School, feed_seqs
from tests.patience import WAIT_SECONDS

pytestmark = pytest.mark.slow

TOO_SLOW = 4408
INTERNAL_ERROR = 1011  # RFC 6455, 7.4.1
SECONDS = WAIT_SECONDS


class HeldTransport:
    """Takes messages only while `open` is set, as a network does whose other end does not read."""

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
    hub.cache_clear()  # one hub for one event loop
    scope = {
        "type": "websocket",
        "path": "/ws/alerts",
        "headers": [(b"authorization", f"Bearer {person.token}".encode())],
        "subprotocols": [],
    }
    return asyncio.create_task(application(scope, transport.receive, transport.send))


async def say(organization: UUID, count: int) -> None:
    """Commit this many messages; they are in every queue here when this returns."""

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


async def test_a_client_that_does_not_keep_up_is_closed(school: School, operator: Person) -> None:
    """With a code that says: resume. It costs the process one queue, however long it sleeps."""
    transport = HeldTransport()
    task = connect(transport, operator)
    assert (await transport.next())["type"] == "websocket.accept"
    assert types(await transport.next()) == "ready"
    transport.open.clear()
    await say(school.organization, 1)
    await asyncio.wait_for(transport.waiting.wait(), SECONDS)
    await say(school.organization, QUEUE_SIZE + 1)
    transport.open.set()
    assert types(await transport.next()) == "test.said"
    assert await transport.next() == {"type": "websocket.close", "code": TOO_SLOW}
    task.cancel()


async def test_connection_whose_serving_fails_is_closed(
    school: School, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left open and silent, a screen would go on saying that all is well."""

    def fails(self: object, message: object) -> str:
        raise RuntimeError("something unforeseen")

    monkeypatch.setattr(session.Session, "_message", fails)
    transport = HeldTransport()
    task = connect(transport, operator)
    assert (await transport.next())["type"] == "websocket.accept"
    assert types(await transport.next()) == "ready"
    await say(school.organization, 1)
    assert await transport.next() == {"type": "websocket.close", "code": INTERNAL_ERROR}
    task.cancel()


async def test_a_ping_carries_the_head(school: School, operator: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a board knows when it is behind."""
    monkeypatch.setattr(session, "PING_SECONDS", 0.05)
    transport = HeldTransport()
    task = connect(transport, operator)
    await transport.next()
    assert types(await transport.next()) == "ready"
    await say(school.organization, 3)
    found = [await transport.next() for _ in range(4)]
    ping = next(message for message in found if types(message) == "ping")
    assert problems("live", ping["text"].encode()) == []
    head = (await asyncio.to_thread(feed_seqs, school))[-1]
    expected = {str(school.organization): head}
    while types(ping) != "ping" or msgspec.json.decode(ping["text"])["organizations"] != expected:
        ping = await transport.next()
    task.cancel()


@pytest.mark.parametrize("role", [None, Role.VIEWER])
async def test_a_membership_that_ends_ends_the_stream(
    school: School, operator: Person, role: Role | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that becomes less: what was allowed at the start is not allowed for ever."""
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
