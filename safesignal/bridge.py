"""Run the WSGI application under an ASGI server: one pool of threads, for requests whose body has arrived.

A response of ordinary size is sent without its thread, so that a slow client does not block one. A longer one (an
export) is sent by its thread in pieces, each of which the client has to receive in time.
"""

import asyncio
import contextvars
import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final

from a2wsgi.wsgi import build_environ

from apps.common.concurrency import Busy
from safesignal.bodies import Gone, Receive, disconnected

WHOLE_BYTES: Final = 512 * 1024
"""Size up to which a response is kept in memory until it is complete."""
PIECE_SECONDS: Final = 20.0
"""Time in which a client has to receive a piece of a longer response."""

Send = Callable[[dict[str, Any]], Awaitable[None]]
WsgiApplication = Callable[[dict[str, Any], Any], Iterable[bytes]]


@dataclass
class _Response:
    """The unsent part of a response."""

    start: dict[str, Any] | None = None
    pieces: list[bytes] = field(default_factory=list)

    def begin(self, status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], None]:
        """WSGI's start_response."""
        lines = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self.start = {"type": "http.response.start", "status": int(status[:3]), "headers": lines}
        return self.pieces.append

    def messages(self, *, more: bool) -> list[dict[str, Any]]:
        """Return the ASGI messages for the unsent part, each only once."""
        body = {"type": "http.response.body", "body": b"".join(self.pieces), "more_body": more}
        messages = [body] if self.start is None else [self.start, body]
        self.start = None
        self.pieces.clear()
        return messages


class Bridge:
    """Runs `threads` requests at once; `waiting` more wait for a thread, for at most `seconds`; all others are refused.

    A request also stops waiting when its client disconnects.
    """

    def __init__(
        self, application: WsgiApplication, *, name: str, threads: int, waiting: int, seconds: float | None
    ) -> None:
        self._application = application
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._thread = asyncio.Semaphore(threads)
        self._seconds = seconds
        self._places = threads + waiting

    async def answer(self, scope: Mapping[str, Any], body: bytes, receive: Receive, send: Send) -> None:
        """Run the application and send its response. Raises Busy, Gone."""
        if not self._places:
            raise Busy()
        self._places -= 1
        try:
            await self._wait_for_thread(receive)
            try:
                rest = await self._in_thread(scope, body, send)
            finally:
                self._thread.release()
        finally:
            self._places += 1
        with suppress(TimeoutError):
            async with asyncio.timeout(PIECE_SECONDS):
                for message in rest:
                    await send(message)

    async def _wait_for_thread(self, receive: Receive) -> None:
        """Wait for a thread, unless the client disconnects first. Raises Busy, Gone."""
        if not self._thread.locked():
            await self._thread.acquire()
            return
        turn = asyncio.ensure_future(self._thread.acquire())
        leaving = asyncio.ensure_future(disconnected(receive))
        try:
            await asyncio.wait({turn, leaving}, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
            if not turn.done():
                raise Gone() if leaving.done() else Busy()
        finally:
            leaving.cancel()
            if not turn.done():
                turn.cancel()

    async def _in_thread(self, scope: Mapping[str, Any], body: bytes, send: Send) -> list[dict[str, Any]]:
        loop = asyncio.get_running_loop()
        run = functools.partial(self._run, scope, body, functools.partial(_send_from_thread, loop, send))
        return await loop.run_in_executor(self._executor, contextvars.copy_context().run, run)

    def _run(
        self, scope: Mapping[str, Any], body: bytes, send: Callable[[list[dict[str, Any]]], None]
    ) -> list[dict[str, Any]]:
        """Run the application in a thread; return the messages of the response, or of its last piece."""
        response = _Response()
        iterable = self._application(_environ(scope, body), response.begin)
        size = 0
        try:
            for piece in iterable:
                response.pieces.append(piece)
                size += len(piece)
                if size > WHOLE_BYTES:
                    send(response.messages(more=True))
                    size = 0
        finally:
            getattr(iterable, "close", lambda: None)()
        return response.messages(more=False)


def _environ(scope: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    environ = build_environ(scope, BytesIO(body))  # type: ignore[arg-type]  # any stream will do
    return {**environ, "CONTENT_LENGTH": str(len(body))}


def _send_from_thread(loop: asyncio.AbstractEventLoop, send: Send, messages: list[dict[str, Any]]) -> None:
    """Send messages from a thread. Raises TimeoutError if the client does not receive them in time."""

    async def sent() -> None:
        async with asyncio.timeout(PIECE_SECONDS):
            for message in messages:
                await send(message)

    asyncio.run_coroutine_threadsafe(sent(), loop).result()
