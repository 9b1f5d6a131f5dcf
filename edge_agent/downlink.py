"""What the cloud tells: a WebSocket that resumes where it stopped, and one visible loop that reconnects."""

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
"""The cloud says something every 10 s; after three times that it is gone."""
TOKEN_ENDED = 4401
PONG = '{"type":"pong"}'
"""Says that this gateway is there: one that says nothing for a minute is a trouble on every board."""

_decoder = msgspec.json.Decoder(Downlink)


class Listener(Protocol):
    """Who acts on what the cloud tells."""

    def hear(self, message: AlertCreated | AlertUpdated | Command | ConfigChanged, then: Cursor) -> None:
        """One message, each once, in order. What it leads to is stored together with the cursor behind it."""

    def lost(self) -> None:
        """The line has broken."""

    def caught_up(self) -> None:
        """The line is there, and all that was missed has been told."""

    def keep_cursor(self, cursor: Cursor) -> None:
        """Everything up to this place has been heard."""


class DownlinkClient:
    """`cursor` is the last place that was heard; without one: from now on."""

    def __init__(self, settings: Settings, credentials: Credentials, listener: Listener, tls: ssl.SSLContext) -> None:
        scheme, _, rest = settings.cloud_url.partition("://")
        self._url = f"{'wss' if scheme == 'https' else 'ws'}://{rest}{DOWNLINK_PATH}"
        self._tls = tls if scheme == "https" else None
        self._proxy: Literal[True] | None = None if settings.cloud_is_here else True
        self._credentials, self._listener = credentials, listener
        self.cursor = Cursor()
        self._socket: ClientConnection | None = None

    async def resume_from(self, cursor: Cursor) -> None:
        """Hear again what came after this place: it was read late from the disk."""
        self.cursor = cursor
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    async def run(self) -> None:
        """Connect, listen, and connect again for as long as the gateway runs."""
        backoff, told = Backoff(greatest=15.0), False

        def heard() -> None:
            nonlocal told
            backoff.reset()
            told = False

        while True:
            try:
                await self._listen(heard)
            except CredentialsRefusedError as error:
                log.error("the cloud does not take this gateway's key", extra={"reason": str(error)})
                backoff.slow_down()
            except (WebSocketException, httpx.HTTPError, OSError, TimeoutError) as error:
                if not told:
                    log.warning("no downlink", extra={"reason": str(error) or type(error).__name__})
                told = True
            except Exception:
                log.exception("the downlink failed")
            self._listener.lost()
            await asyncio.sleep(backoff.wait())

    async def _listen(self, heard: Callable[[], None]) -> None:
        token = await self._credentials.token()
        protocols = [Subprotocol(SUBPROTOCOL), Subprotocol(f"bearer.{token}")]
        try:
            async with connect(
                self._url, subprotocols=protocols, ssl=self._tls, max_size=2**20, close_timeout=1.0, proxy=self._proxy
            ) as socket:
                self._socket = socket
                await socket.send(_resume(self.cursor))
                await self._hear(socket, heard)
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

    async def _hear(self, socket: ClientConnection, heard: Callable[[], None]) -> None:
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                raw = await socket.recv()
            if self._socket is not socket:
                raise ConnectionResetError("the line goes on from another place")
            try:
                message = _decoder.decode(raw)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                log.error("a message of the cloud cannot be read", extra={"reason": str(error)})
                continue
            heard()
            self._take(message)
            if isinstance(message, Ping):
                await socket.send(PONG)

    def _take(self, message: Downlink) -> None:
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
                self._let_hear(message, self.cursor)

    def _let_hear(self, message: AlertCreated | AlertUpdated | Command | ConfigChanged, after: Cursor) -> None:
        """A message that cannot be acted on is passed over: it must not end the line for those behind it."""
        try:
            self._listener.hear(message, after)
        except Exception:
            log.exception("a message of the cloud could not be taken", extra={"seq": message.seq})


def _resume(cursor: Cursor) -> str:
    facts: dict[str, object] = {"type": "resume", "cursor": cursor.cursor}
    if cursor.epoch is not None:
        facts["epoch"] = cursor.epoch
    return msgspec.json.encode(facts).decode()
