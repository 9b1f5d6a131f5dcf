"""WebSocket endpoints: `/ws/alerts` for people, `/ws/edge` for gateways. No rules live here."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal
from uuid import UUID

import msgspec
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError
from django.utils import timezone

from apps.alerts.live import caller as callers
from apps.alerts.live import session
from apps.alerts.live.crowd import Ending
from apps.alerts.live.hub import Client, IsVisible, hub
from apps.alerts.live.session import Cursors, Session
from apps.alerts.live.watch import watch
from apps.common.access import Principal, PrincipalKind
from apps.common.http.callers.addresses import address_of_scope, source_of
from apps.common.problems import TooManyRequests
from apps.devices.gateways.authentication import gateway_heard

logger = logging.getLogger(__name__)

SUBPROTOCOL: Final = "safesignal.v1"
FIRST_MESSAGE_SECONDS: Final = 0.5
"""A client that has not sent a resume message by then gets events from now on; it may still resume later."""

TOKEN_ENDED: Final = 4401
NO_RIGHT: Final = 4403
BAD_MESSAGE: Final = 4400
TOO_SLOW: Final = 4408
TOO_MANY: Final = 4429
GOING_AWAY: Final = 1012
INTERNAL_ERROR: Final = 1011
"""RFC 6455, section 7.4.1."""
CODES: Final[Mapping[Ending, int]] = {
    Ending.TOKEN_ENDED: TOKEN_ENDED,
    Ending.RIGHTS_CHANGED: NO_RIGHT,
    Ending.TOO_MANY: TOO_MANY,
}

Seq = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class PersonResume(msgspec.Struct, frozen=True):
    """`contracts/live_resume`."""

    type: Literal["resume"]
    organizations: dict[UUID, Seq]
    epoch: UUID | None = None

    def cursors(self, visible: Mapping[UUID, IsVisible]) -> Cursors:
        """Return the positions to resume from, in the caller's organizations only."""
        known = {organization: seq for organization, seq in self.organizations.items() if organization in visible}
        return Cursors(known, self.epoch)


class GatewayResume(msgspec.Struct, frozen=True):
    """`contracts/edge_resume`."""

    type: Literal["resume"]
    cursor: Seq | None
    epoch: UUID | None = None

    def cursors(self, visible: Mapping[UUID, IsVisible]) -> Cursors:
        """Return the position to resume from, in the gateway's organization."""
        return Cursors({} if self.cursor is None else dict.fromkeys(visible, self.cursor), self.epoch)


class LiveConsumer(AsyncWebsocketConsumer):
    """Accept a connection, identify the caller, and send until access is revoked or the client disconnects."""

    kinds: ClassVar[frozenset[PrincipalKind]]
    resume_type: ClassVar[type[PersonResume] | type[GatewayResume]]

    async def connect(self) -> None:
        """Accept at once: a close code reaches the client only after that."""
        offered = [name for entry in self.scope["subprotocols"] for name in entry.replace(" ", "").split(",")]
        await self.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        self._credential = callers.credential(self.scope, offered)
        self._first: asyncio.Future[PersonResume | GatewayResume] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._serve())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Resume from where the first message says; later messages only show that the client is alive."""
        if self._first.done():
            await self._handle_sign_of_life()
            return
        try:
            self._first.set_result(msgspec.json.decode(text_data or bytes_data or b"", type=self.resume_type))
        except msgspec.DecodeError:
            self._first.cancel()
            self._task.cancel()
            await self.close(BAD_MESSAGE)

    async def disconnect(self, code: int) -> None:
        """Stop serving the client."""
        self._task.cancel()

    async def _handle_sign_of_life(self) -> None:
        """Handle a message that shows that the client is alive."""

    def _visibility(self, principal: Principal) -> dict[UUID, IsVisible]:
        raise NotImplementedError

    def _session(self, client: Client) -> Session:
        raise NotImplementedError

    async def _serve(self) -> None:
        try:
            await self._send_until_revoked()
        except session.TooSlow:
            await self.close(TOO_SLOW)
        except TooManyRequests:
            await self.close(TOO_MANY)
        except (DatabaseError, OSError):
            await self.close(GOING_AWAY)
        except Exception:
            logger.exception("a live connection ended")
            await self.close(INTERNAL_ERROR)  # left open and silent, it would look like a quiet day

    async def _send_until_revoked(self) -> None:
        found = await callers.caller(self._credential)
        if found is None:
            await self.close(TOKEN_ENDED)
            return
        named, principal = found
        visibility = database_sync_to_async(self._visibility, thread_sensitive=False)
        visible = await visibility(principal) if principal.kind in self.kinds else {}
        if not visible:
            await self.close(NO_RIGHT)
            return
        with watch().watching(
            named, principal, self._visibility, visible, source_of(address_of_scope(self.scope))
        ) as ended:
            sender = asyncio.create_task(self._send(visible))
            either: set[asyncio.Future[Any]] = {sender, ended}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                sender.cancel()
            if ended.done():
                await self.close(CODES[ended.result()])
            else:
                sender.result()

    async def _send(self, visible: Mapping[UUID, IsVisible]) -> None:
        """Send from the client's cursor on; or from now on, until a late resume message arrives after all."""
        try:
            resume = await asyncio.wait_for(asyncio.shield(self._first), FIRST_MESSAGE_SECONDS)
        except TimeoutError:
            live = asyncio.create_task(self._stream(visible, Cursors()))
            either: set[asyncio.Future[Any]] = {live, self._first}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                live.cancel()
            if not self._first.done():
                live.result()
            resume = self._first.result()
        await self._stream(visible, resume.cursors(visible))

    async def _stream(self, visible: Mapping[UUID, IsVisible], cursors: Cursors) -> None:
        async for text in self._session(Client(visible)).messages(cursors):
            await self.send(text_data=text)


class AlertsConsumer(LiveConsumer):
    """`/ws/alerts`: the live feed of the organizations of a person or service."""

    kinds = frozenset({PrincipalKind.PERSON, PrincipalKind.SERVICE})
    resume_type = PersonResume

    def _visibility(self, principal: Principal) -> dict[UUID, IsVisible]:
        return callers.visible_to_person(principal)

    def _session(self, client: Client) -> Session:
        return Session(hub(), client, session.person_mark)


class EdgeConsumer(LiveConsumer):
    """`/ws/edge`: changes that the cloud made to a gateway's alerts, and commands for the gateway."""

    kinds = frozenset({PrincipalKind.GATEWAY})
    resume_type = GatewayResume
    _gateway: Principal | None = None

    def _visibility(self, principal: Principal) -> dict[UUID, IsVisible]:
        self._gateway = principal
        return callers.visible_to_gateway(principal)

    async def _handle_sign_of_life(self) -> None:
        """Record the time: a gateway answers each ping, and supervision relies on that, not on an open connection."""
        if self._gateway is None:
            return
        with contextlib.suppress(DatabaseError, OSError):
            await database_sync_to_async(gateway_heard, thread_sensitive=False)(self._gateway, timezone.now())

    def _session(self, client: Client) -> Session:
        return Session(hub(), client, session.gateway_mark, shows_all_numbers=True)
