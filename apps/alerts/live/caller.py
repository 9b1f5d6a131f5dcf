"""Who is at the other end of a live connection: the same principals as of REST, from a header or the session cookie."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from importlib import import_module
from typing import Any, Final
from uuid import UUID

from channels.db import database_sync_to_async
from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils import timezone

from apps.accounts.identity import last_use
from apps.accounts.identity.principals import Named, named_by_bearer, named_by_session, principals_of
from apps.alerts.live.hub import Sees
from apps.alerts.visibility import NOWHERE, Where, both, union, visibility, within
from apps.common.access import Principal
from apps.common.db.scope import tenant_scope
from apps.common.feed import Audience, Envelope
from apps.common.problems import Unauthenticated
from apps.devices.selectors import gateway_buildings

BEARER_PREFIX: Final = "bearer."


@dataclass(frozen=True, slots=True)
class Credential:
    """A bearer token, or else a session key that came with an Origin of our own."""

    token: str | None
    session_key: str | None


def credential(scope: Mapping[str, Any], subprotocols: Iterable[str] = ()) -> Credential:
    """The credential of a connection.

    A session counts only for a page of our own: a socket has no CSRF token. Every browser names the page's origin when
    it opens a socket, and when it reads a stream from another origin.
    """
    by_name = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    scheme, _, token = by_name.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return Credential(token.strip(), None)
    for protocol in subprotocols:
        if protocol.startswith(BEARER_PREFIX):
            return Credential(protocol.removeprefix(BEARER_PREFIX), None)
    origin = by_name.get("origin")
    if scope["type"] == "websocket" if origin is None else not _is_ours(origin, scope["scheme"], by_name):
        return Credential(None, None)
    cookie = SimpleCookie(by_name.get("cookie", "")).get(settings.SESSION_COOKIE_NAME)
    return Credential(None, cookie.value if cookie else None)


def _is_ours(origin: str, scheme: str, headers: Mapping[str, str]) -> bool:
    """Whether a page's origin (scheme, host and port) is the one that the request itself went to, or our public one."""
    proxied = getattr(settings, "SECURE_PROXY_SSL_HEADER", None)
    secure = headers.get("x-forwarded-proto") == proxied[1] if proxied else scheme in {"https", "wss"}
    host = headers.get("host", "")
    same = f"{'https' if secure else 'http'}://{host}"
    known = validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)
    return origin in settings.CSRF_TRUSTED_ORIGINS or (known and origin == same)


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


@dataclass(frozen=True, slots=True)
class PersonSees:
    """Which messages of an organization a person or service sees: by what they are about, at which buildings."""

    ordinary: Where
    silent: Where
    devices: Where

    def __call__(self, envelope: Envelope) -> bool:
        """Whether a message is for them."""
        match envelope.audience:
            case Audience.STAFF:
                where = self.ordinary
            case Audience.RESPONSE:
                where = self.silent
            case Audience.DEVICES:
                where = self.devices
            case Audience.SILENT_DEVICES:
                where = both(self.devices, self.silent)
            case Audience.GATEWAY:
                where = NOWHERE
        return within(where, envelope.building_id)


@dataclass(frozen=True, slots=True)
class GatewaySees:
    """Which messages a gateway gets: alerts of its buildings or of no known place, and what is meant for gateways."""

    buildings: frozenset[UUID]

    def __call__(self, envelope: Envelope) -> bool:
        """Whether a message is for it."""
        ours = envelope.building_id is None or envelope.building_id in self.buildings
        return ours and (envelope.audience is Audience.GATEWAY or envelope.kind.startswith("alert."))


def person_sees(principal: Principal) -> dict[UUID, Sees]:
    """For each organization whose live feed the person may read: which messages. Equal for equal visibility.

    Staff of a suspended school go on hearing what may keep an alarm from working, on the connection that they have.
    """
    seen: dict[UUID, Sees] = {}
    for organization, grant in principal.grants.items():
        one = visibility(grant)
        devices = union(grant.buildings("devices", "read"), grant.buildings("open_alerts", "read"))
        if one.open != NOWHERE:
            seen[organization] = PersonSees(one.open, one.silent, devices)
    return seen


def gateway_sees(principal: Principal) -> dict[UUID, Sees]:
    """The same for a gateway, in its organization. Reads the database."""
    organization = next(iter(principal.grants))
    with tenant_scope([organization]):
        return {organization: GatewaySees(gateway_buildings(organization, principal.id))}
