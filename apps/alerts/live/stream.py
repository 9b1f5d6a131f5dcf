"""`GET /api/v1/alerts/stream`: the live feed as server-sent events, for clients that cannot hold a WebSocket."""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from apps.alerts.live import caller as callers
from apps.alerts.live import session
from apps.alerts.live.crowd import Ended
from apps.alerts.live.hub import Client, IsVisible, hub
from apps.alerts.live.session import Cursors, Session
from apps.alerts.live.watch import watch
from apps.common.http.callers.addresses import address_of_scope, source_of
from apps.common.problems import CONTENT_TYPE, Forbidden, Problem, TooManyRequests, Unauthenticated

PATH: Final = "/api/v1/alerts/stream"
NO_EPOCH: Final = UUID(int=0)
HEADERS: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI application: each message is an event whose `id` is a cursor that `Last-Event-ID` returns."""
    found = await callers.caller(callers.credential(scope))
    visible = callers.visible_to_person(found[1]) if found else {}
    if found is None or not visible:
        await _refuse(send, Forbidden() if found else Unauthenticated())
        return
    try:
        with watch().watching(*found, callers.visible_to_person, visible, source_of(address_of_scope(scope))) as ended:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await _stream_until(ended, _events(visible, _cursors(scope["headers"], visible), send))
    except TooManyRequests as problem:
        await _refuse(send, problem)
        return
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _stream_until(ended: Ended, sending: Coroutine[Any, Any, None]) -> None:
    """Send until the client disconnects, or the connection must be closed."""
    events = asyncio.create_task(sending)
    either: set[asyncio.Future[Any]] = {events, ended}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        events.cancel()
    await asyncio.wait({events})  # finish or abandon the current send before ending the response
    if not ended.done():
        events.result()


async def _events(visible: Mapping[UUID, IsVisible], cursors: Cursors, send: Send) -> None:
    """Send events until the client does not keep up."""
    live = Session(hub(), Client(visible), session.person_mark)
    try:
        async for text in live.messages(cursors):
            kind = msgspec.json.decode(text, type=_Kind).type
            event = f"event: {kind}\nid: {_encode(live.cursors)}\ndata: {text}\n\n"
            await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
    except session.TooSlow:
        pass


class _Kind(msgspec.Struct):
    type: str


async def _refuse(send: Send, problem: Problem) -> None:
    own = ((name.lower().encode(), value.encode()) for name, value in problem.headers.items())
    headers = [(b"content-type", CONTENT_TYPE.encode()), *own]
    await send({"type": "http.response.start", "status": int(problem.status), "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(problem.body())})


class _EventId(msgspec.Struct, frozen=True):
    epoch: UUID
    organizations: dict[UUID, int]


def _encode(cursors: Cursors) -> str:
    names = {str(organization): seq for organization, seq in cursors.organizations.items()}
    data = msgspec.json.encode({"epoch": cursors.epoch, "organizations": names})
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _cursors(headers: list[tuple[bytes, bytes]], visible: Iterable[UUID]) -> Cursors:
    """Return the positions to resume from; an unreadable cursor counts as another history: the client starts over."""
    last = next((value for name, value in headers if name.lower() == b"last-event-id"), b"").decode("latin-1")
    if not last:
        return Cursors()
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(last + "=" * (-len(last) % 4)), type=_EventId)
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return Cursors(dict.fromkeys(visible, 0), NO_EPOCH)
    return Cursors(found.organizations, found.epoch)
