"""`GET /api/v1/alerts/stream`: the live feed as server-sent events, for clients that cannot hold a WebSocket."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from apps.alerts.live import caller as callers
from apps.alerts.live import session
from apps.alerts.live.hub import Client, hub
from apps.common.problems import CONTENT_TYPE, Forbidden, Problem, Unauthenticated

PATH: Final = "/api/v1/alerts/stream"

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI application: each message is an event whose `id` is a cursor that `Last-Event-ID` gives back."""
    given = callers.credential(scope["headers"])
    principal = await callers.caller(given)
    sees = callers.person_sees(principal) if principal else {}
    if principal is None or not sees:
        await _refuse(send, Forbidden() if principal else Unauthenticated())
        return
    headers = [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    client = Client(sees)
    cursors = _cursors(scope["headers"])
    try:
        async for text in session.messages(hub(), client, cursors, session.person_mark):
            kind = msgspec.json.decode(text, type=_Kind).type
            event = f"event: {kind}\nid: {_encode(client.positions)}\ndata: {text}\n\n"
            await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
            if kind == "ping":
                now = await callers.caller_again(given)
                if now is None or now.grants != principal.grants:
                    break
    except session.TooSlow:
        pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Kind(msgspec.Struct):
    type: str


async def _refuse(send: Send, problem: Problem) -> None:
    headers = [(b"content-type", CONTENT_TYPE.encode())]
    await send({"type": "http.response.start", "status": int(problem.status), "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(problem.body())})


def _encode(positions: Mapping[UUID, int]) -> str:
    data = msgspec.json.encode({str(organization): seq for organization, seq in positions.items()})
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _cursors(headers: list[tuple[bytes, bytes]]) -> dict[UUID, int]:
    """Where to go on; a cursor that is none of ours starts from now."""
    last = next((value for name, value in headers if name.lower() == b"last-event-id"), b"").decode("latin-1")
    if not last:
        return {}
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(last + "=" * (-len(last) % 4)), type=dict[UUID, int])
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return {}
