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
from apps.alerts.live.hub import Client, Sees, hub
from apps.alerts.live.session import Cursors, Session
from apps.alerts.live.watch import watch
from apps.common.http.addresses import address_of_scope, source_of
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
    """An ASGI application: each message is an event whose `id` is a cursor that `Last-Event-ID` gives back."""
    found = await callers.caller(callers.credential(scope))
    sees = callers.person_sees(found[1]) if found else {}
    if found is None or not sees:
        await _refuse(send, Forbidden() if found else Unauthenticated())
        return
    try:
        with watch().watching(*found, callers.person_sees, sees, source_of(address_of_scope(scope))) as ended:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await _stream_until(ended, _events(sees, _cursors(scope["headers"], sees), send))
    except TooManyRequests as problem:
        await _refuse(send, problem)
        return
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _stream_until(ended: Ended, sending: Coroutine[Any, Any, None]) -> None:
    """Send until the client is gone, or the connection is to be closed."""
    events = asyncio.create_task(sending)
    either: set[asyncio.Future[Any]] = {events, ended}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        events.cancel()
    await asyncio.wait({events})  # whatever it was sending is sent or given up, before the end is
    if not ended.done():
        events.result()


async def _events(sees: Mapping[UUID, Sees], cursors: Cursors, send: Send) -> None:
    """Until the client does not keep up."""
    live = Session(hub(), Client(sees), session.person_mark)
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


def _cursors(headers: list[tuple[bytes, bytes]], sees: Iterable[UUID]) -> Cursors:
    """Where to go on; a cursor that cannot be read is of another history, so its client starts over."""
    last = next((value for name, value in headers if name.lower() == b"last-event-id"), b"").decode("latin-1")
    if not last:
        return Cursors()
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(last + "=" * (-len(last) % 4)), type=_EventId)
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return Cursors(dict.fromkeys(sees, 0), NO_EPOCH)
    return Cursors(found.organizations, found.epoch)
