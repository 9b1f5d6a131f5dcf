"""Read request bodies completely before they use a thread, and refuse those that are too large or too slow.

So a client that sends half a body uses nothing but its own connection. The limits here depend only on whether the
request has a credential; `apps/common/http/limits/body_limits.py` applies the limits for the authenticated caller.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from django.conf import settings

from apps.common.http.limits.body_limits import ANONYMOUS_BYTES, BodyTooSlow
from apps.common.problems import TooLarge

CREDENTIALS: Final = frozenset({b"authorization", b"cookie"})
Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class Gone(Exception):
    """The client disconnected before its request was complete."""


class Bodies:
    """Arriving bodies of at most `memory` bytes in total: beyond that the oldest unfinished one is refused."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._held = 0
        self._arriving: dict[asyncio.Event, int] = {}

    async def read(self, headers: Iterable[tuple[bytes, bytes]], receive: Receive) -> bytes:
        """Return the whole body. Raises TooLarge, BodyTooSlow, Gone."""
        limit, announced = _limits(headers)
        if announced > limit:
            raise TooLarge(f"Send at most {limit} bytes in this request.")
        evicted = asyncio.Event()
        self._arriving[evicted] = 0
        try:
            async with asyncio.timeout(settings.BODY_SECONDS):
                return await self._read(evicted, receive, limit)
        except TimeoutError:
            raise BodyTooSlow() from None
        finally:
            self._held -= self._arriving.pop(evicted)

    async def _read(self, evicted: asyncio.Event, receive: Receive, limit: int) -> bytes:
        body = bytearray()
        while True:
            message = await _unless(evicted, receive) if body else await receive()
            if message["type"] == "http.disconnect":
                raise Gone()
            part: bytes = message.get("body", b"")
            body += part
            if len(body) > limit:
                raise TooLarge(f"Send at most {limit} bytes in this request.")
            if not message.get("more_body", False):
                return bytes(body)
            self._arriving[evicted] += len(part)
            self._held += len(part)
            if self._held > self._memory:
                next(iter(self._arriving)).set()


async def disconnected(receive: Receive) -> None:
    """Return when the client has disconnected, after its body was read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _unless(evicted: asyncio.Event, receive: Receive) -> Mapping[str, Any]:
    """Return the next message, unless others need the memory first. Raises BodyTooSlow."""

    async def received() -> Mapping[str, Any]:
        return await receive()

    coming = asyncio.ensure_future(received())
    ending = asyncio.ensure_future(evicted.wait())
    try:
        await asyncio.wait({coming, ending}, return_when=asyncio.FIRST_COMPLETED)
        if not coming.done():
            raise BodyTooSlow()
        return coming.result()
    finally:
        coming.cancel()
        ending.cancel()


def _limits(headers: Iterable[tuple[bytes, bytes]]) -> tuple[int, int]:
    """Return the maximum number of bytes of this request, and the number that it announces."""
    named = {name.lower(): value for name, value in headers}
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE if CREDENTIALS & named.keys() else ANONYMOUS_BYTES
    length = named.get(b"content-length", b"0")
    return limit, int(length) if length.isdigit() else 0
