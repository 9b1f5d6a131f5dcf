"""A WebSocket whose close code reaches the client.

Granian delays a close while a `receive()` waits, and Channels always waits. So the waiting call is cancelled before the
close is sent. Tried with Granian 2.8.7: without this the socket stays open.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from apps.alerts.live.stream import Receive, Send

GONE: Final[Mapping[str, Any]] = {"type": "websocket.disconnect", "code": 1000}


class ClosingSocket:
    """The `receive` and `send` of one connection, for its application."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._closing = asyncio.Event()
        self._closed = asyncio.Event()

    async def receive(self) -> Mapping[str, Any]:
        """Return the next message; a disconnect once this side has closed."""
        coming = asyncio.ensure_future(self._receive())
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({coming, closing}, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                return coming.result()
        finally:
            coming.cancel()
            closing.cancel()
        await self._closed.wait()
        return GONE

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message; before a close, cancel a waiting `receive`."""
        if message["type"] != "websocket.close":
            await self._send(message)
            return
        self._closing.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # one turn for the waiting `receive` to wake, one for its cancelled task
        try:
            await self._send(message)
        finally:
            self._closed.set()
