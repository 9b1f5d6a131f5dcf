"""Who is at the other end of a live connection: the same principals as of REST, from a header or the session cookie."""

from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import SimpleCookie
from importlib import import_module
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from channels.db import database_sync_to_async
from django.conf import settings
from django.http.request import validate_host
from django.utils import timezone

from apps.accounts import last_use
from apps.accounts.principals import Named, named_by_bearer, named_by_session, principals_of
from apps.alerts.live.hub import Sees
from apps.alerts.sight import NOWHERE, Sight, sight, within
from apps.common.access import Principal
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


async def caller(given: Credential) -> tuple[Named, Principal] | None:
    """Whom a credential names, and what they may at this moment; None when it opens nothing (any more)."""

    def resolve() -> tuple[Named, Principal] | None:
        named = _named(given)
        principal = principals_of([named]).get(named) if named else None
        if named is None or principal is None:
            return None
        last_use.note(principal, address="", now=timezone.now())
        return named, principal

    return await database_sync_to_async(resolve, thread_sensitive=False)()


def _named(given: Credential) -> Named | None:
    if given.token is not None:
        try:
            return named_by_bearer(given.token)
        except Unauthenticated:
            return None
    if given.session_key is None:
        return None
    return named_by_session(import_module(settings.SESSION_ENGINE).SessionStore(given.session_key))


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


def _told(eyes: Sight) -> Sees:
    places = {Audience.STAFF: eyes.open, Audience.RESPONSE: eyes.silent}
    return lambda envelope: within(places.get(envelope.audience, NOWHERE), envelope.building_id)
