"""Who is at the other end of a live connection: the same principals as of REST, from a header or the session cookie."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from http.cookies import SimpleCookie
from importlib import import_module
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from channels.db import database_sync_to_async
from django.conf import settings
from django.http.request import validate_host

from apps.accounts.principals import principal_from_bearer, principal_from_session
from apps.alerts.live.hub import Sees
from apps.alerts.sight import NOWHERE, Sight, sight, within
from apps.common.access import Principal, PrincipalKind
from apps.common.feed import Audience, Envelope
from apps.common.problems import Unauthenticated
from apps.common.scope import tenant_scope
from apps.devices.selectors import gateway_buildings

BEARER_PREFIX: Final = "bearer."


@dataclass(frozen=True, slots=True)
class Credential:
    """A bearer token, or else a session key that came with an Origin of our own."""

    token: str | None
    session_key: str | None


def credential(headers: Iterable[tuple[bytes, bytes]], subprotocols: Iterable[str] = ()) -> Credential:
    """The credential of a connection.

    A session counts only where Origin is one of our hosts: a socket has no CSRF token.
    """
    by_name = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in headers}
    scheme, _, token = by_name.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return Credential(token.strip(), None)
    for protocol in subprotocols:
        if protocol.startswith(BEARER_PREFIX):
            return Credential(protocol.removeprefix(BEARER_PREFIX), None)
    origin = by_name.get("origin")
    if origin is not None and not validate_host(urlsplit(origin).hostname or "", settings.ALLOWED_HOSTS):
        return Credential(None, None)
    cookie = SimpleCookie(by_name.get("cookie", "")).get(settings.SESSION_COOKIE_NAME)
    return Credential(None, cookie.value if cookie else None)


async def caller(given: Credential) -> Principal | None:
    """The principal behind a credential at this moment; None when it opens nothing (any more)."""

    def resolve() -> Principal | None:
        if given.token is not None:
            try:
                return principal_from_bearer(given.token)
            except Unauthenticated:
                return None
        if given.session_key is None:
            return None
        store = import_module(settings.SESSION_ENGINE).SessionStore(given.session_key)
        return principal_from_session(store)

    return await database_sync_to_async(resolve, thread_sensitive=False)()


async def caller_again(given: Credential) -> Principal | None:
    """The same, for a connection that is open already. One after the other: all of a school's connections asking at
    once would keep this process, for a second or more, from telling anybody of an alert.
    """
    async with _turn():
        return await caller(given)


@cache
def _turn() -> asyncio.Lock:
    """Of this process, which runs one event loop."""
    return asyncio.Lock()


def person_sees(principal: Principal) -> dict[UUID, Sees]:
    """For each organization whose live feed the person may read: which messages."""
    seen = {organization: sight(grant) for organization, grant in principal.grants.items()}
    return {organization: _told(eyes) for organization, eyes in seen.items() if eyes.open != NOWHERE}


async def gateway_sees(principal: Principal) -> dict[UUID, Sees]:
    """What a gateway is told: alerts of its buildings or of no known place, and what is meant for it."""
    organization = next(iter(principal.grants))

    def read() -> frozenset[UUID]:
        with tenant_scope([organization]):
            return gateway_buildings(organization, principal.id)

    buildings = await database_sync_to_async(read, thread_sensitive=False)()

    def sees(envelope: Envelope) -> bool:
        ours = envelope.building_id is None or envelope.building_id in buildings
        return ours and (envelope.audience is Audience.GATEWAY or envelope.kind.startswith("alert."))

    return {organization: sees}


def may_be_gateway(principal: Principal) -> bool:
    """Whether the caller is a gateway."""
    return principal.kind is PrincipalKind.GATEWAY


def _told(eyes: Sight) -> Sees:
    places = {Audience.STAFF: eyes.open, Audience.RESPONSE: eyes.silent}
    return lambda envelope: within(places.get(envelope.audience, NOWHERE), envelope.building_id)
