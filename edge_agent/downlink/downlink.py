"""Messages from the cloud: a WebSocket that resumes at its cursor, and one reconnect loop."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Literal, Protocol

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from edge_agent.backoff import Backoff
from edge_agent.messages.cloud import (
    AlertCreated,
    AlertUpdated,
    Command,
    ConfigChanged,
    Cursor,
    Downlink,
    Ping,
    Ready,
    Resync,
)
from edge_agent.settings import Settings
from edge_agent.uplink.credentials import Credentials, CredentialsRefusedError

log = logging.getLogger(__name__)

DOWNLINK_PATH = "/ws/edge"
SUBPROTOCOL = "safesignal.v1"
SILENCE_SECONDS = 30.0
"""The cloud sends a message every 10 s; the connection is considered dead after three are missing."""
TOKEN_ENDED = 4401
PONG = '{"type":"pong"}'
"""Keeps this gateway online: after a minute without a message the cloud reports a trouble."""

_decoder = msgspec.json.Decoder(Downlink)


class Listener(Protocol):
    """Receiver of messages from the cloud."""

    def handle(self, message: AlertCreated | AlertUpdated | Command | ConfigChanged, then: Cursor) -> None:
        """Handle one message; each is delivered once, in order. Store its effects together with the cursor `then`."""

    def lost(self) -> None:
        """Handle a lost connection."""

    def caught_up(self) -> None:
        """Handle the end of a catch-up: the connection is live and all missed messages were delivered."""

    def keep_cursor(self, cursor: Cursor) -> None:
        """Store the cursor: all messages up to it were handled."""


class DownlinkClient:
    """`cursor` is the position of the last handled message; without one, messages start from now."""

    def __init__(self, settings: Settings, credentials: Credentials, listener: Listener, tls: ssl.SSLContext) -> None:
        scheme, _, rest = settings.cloud_url.partition("://")
        self._url = f"{'wss' if scheme == 'https' else 'ws'}://{rest}{DOWNLINK_PATH}"
        self._tls = tls if scheme == "https" else None
        self._proxy: Literal[True] | None = None if settings.cloud_is_here else True
        self._credentials, self._listener = credentials, listener
        self.cursor = Cursor()
        self._socket: ClientConnection | None = None

    async def resume_from(self, cursor: Cursor) -> None:
        """Reconnect from this cursor, which was loaded from the disk after the connection was opened."""
        self.cursor = cursor
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    async def run(self) -> None:
        """Connect, listen and reconnect for as long as the gateway runs."""
        backoff, logged = Backoff(greatest=15.0), False

        def on_message() -> None:
            nonlocal logged
            backoff.reset()
            logged = False

        while True:
            try:
                await self._listen(on_message)
            except CredentialsRefusedError as error:
                log.error("the cloud rejects this gateway's key", extra={"reason": str(error)})
                backoff.slow_down()
            except (WebSocketException, httpx.HTTPError, OSError, TimeoutError) as error:
                if not logged:
                    log.warning("the downlink is not connected", extra={"reason": str(error) or type(error).__name__})
                logged = True
            except Exception:
                log.exception("the downlink failed")
            self._listener.lost()
            await asyncio.sleep(backoff.wait())

    async def _listen(self, on_message: Callable[[], None]) -> None:
        token = await self._credentials.token()
        protocols = [Subprotocol(SUBPROTOCOL), Subprotocol(f"bearer.{token}")]
        try:
            async with connect(
                self._url, subprotocols=protocols, ssl=self._tls, max_size=2**20, close_timeout=1.0, proxy=self._proxy
            ) as socket:
                self._socket = socket
                await socket.send(_resume(self.cursor))
                await self._receive(socket, on_message)
        except ConnectionClosed as error:
            if error.rcvd is not None and error.rcvd.code == TOKEN_ENDED:
                self._credentials.forget(token)
            raise
        except InvalidStatus as error:
            if error.response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
                self._credentials.forget(token)
            raise
        finally:
            self._socket = None

    async def _receive(self, socket: ClientConnection, on_message: Callable[[], None]) -> None:
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                raw = await socket.recv()
            if self._socket is not socket:
                raise ConnectionResetError("the downlink resumes from another cursor")
            try:
                message = _decoder.decode(raw)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                log.error("a message from the cloud cannot be read", extra={"reason": str(error)})
                continue
            on_message()
            self._process(message)
            if isinstance(message, Ping):
                await socket.send(PONG)

    def _process(self, message: Downlink) -> None:
        match message:
            case Ping() if None in (message.epoch, self.cursor.epoch) or message.epoch == self.cursor.epoch:
                return
            case Ping() | Ready() | Resync():  # a ping of another epoch: the cloud was restored meanwhile
                self._listener.caught_up()
                after = Cursor(message.seq, message.epoch)
                if after != self.cursor:
                    self.cursor = after
                    self._listener.keep_cursor(after)
            case _ if self.cursor.cursor is not None and message.seq <= self.cursor.cursor:
                return
            case _:
                self.cursor = Cursor(message.seq, self.cursor.epoch)
                self._handle(message, self.cursor)

    def _handle(self, message: AlertCreated | AlertUpdated | Command | ConfigChanged, after: Cursor) -> None:
        """Pass a message on; one that fails is logged and skipped, so that it does not block those after it."""
        try:
            self._listener.handle(message, after)
        except Exception:
            log.exception("a message from the cloud could not be processed", extra={"seq": message.seq})


def _resume(cursor: Cursor) -> str:
    facts: dict[str, object] = {"type": "resume", "cursor": cursor.cursor}
    if cursor.epoch is not None:
        facts["epoch"] = cursor.epoch
    return msgspec.json.encode(facts).decode()
