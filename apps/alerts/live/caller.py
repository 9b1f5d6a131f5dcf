"""The caller of a live connection: the same principals as in the REST API, from a header or the session cookie."""

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
from apps.accounts.identity.principals.principals import Named, named_by_bearer, named_by_session, principals_of
from apps.alerts.live.hub import IsVisible
from apps.alerts.visibility import NOWHERE, Where, both, union, visibility, within
from apps.common.access import Principal
from apps.common.db.scope import tenant_scope
from apps.common.feed import Audience, Envelope
from apps.common.problems import Unauthenticated
from apps.devices.selectors import gateway_buildings

BEARER_PREFIX: Final = "bearer."


@dataclass(frozen=True, slots=True)
class Credential:
    """A bearer token, or else a session key that was sent with our own Origin."""

    token: str | None
    session_key: str | None


def credential(scope: Mapping[str, Any], subprotocols: Iterable[str] = ()) -> Credential:
    """Return the credential of a connection.

    A session counts only for our own pages, since a socket has no CSRF token. Every browser sends the page's origin
    when it opens a socket, and when it reads a stream from another origin.
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
    """Return whether an origin (scheme, host and port) is the one that the request was sent to, or our public one."""
    proxied = getattr(settings, "SECURE_PROXY_SSL_HEADER", None)
    secure = headers.get("x-forwarded-proto") == proxied[1] if proxied else scheme in {"https", "wss"}
    host = headers.get("host", "")
    same = f"{'https' if secure else 'http'}://{host}"
    known = validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)
    return origin in settings.CSRF_TRUSTED_ORIGINS or (known and origin == same)


async def caller(given: Credential) -> tuple[Named, Principal] | None:
    """Return the owner of a credential with their current rights; None if it is not valid, or no longer."""

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
class VisibleToPerson:
    """The messages of an organization that are visible to a person or service, by audience and building."""

    ordinary: Where
    silent: Where
    devices: Where

    def __call__(self, envelope: Envelope) -> bool:
        """Return whether a message is visible to them."""
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
class VisibleToGateway:
    """The messages for a gateway: alerts of its buildings or of no known place, and messages meant for gateways."""

    buildings: frozenset[UUID]

    def __call__(self, envelope: Envelope) -> bool:
        """Return whether a message is for the gateway."""
        ours = envelope.building_id is None or envelope.building_id in self.buildings
        return ours and (envelope.audience is Audience.GATEWAY or envelope.kind.startswith("alert."))


def visible_to_person(principal: Principal) -> dict[UUID, IsVisible]:
    """Return the visible messages for each organization whose live feed the person may read.

    Equal for equal visibility. Staff of a suspended school still get messages about conditions that may prevent an
    alarm, on the connection that they already have.
    """
    visible: dict[UUID, IsVisible] = {}
    for organization, grant in principal.grants.items():
        one = visibility(grant)
        devices = union(grant.buildings("devices", "read"), grant.buildings("open_alerts", "read"))
        if one.open != NOWHERE:
            visible[organization] = VisibleToPerson(one.open, one.silent, devices)
    return visible


def visible_to_gateway(principal: Principal) -> dict[UUID, IsVisible]:
    """Return the messages for a gateway, in its organization. Reads the database."""
    organization = next(iter(principal.grants))
    with tenant_scope([organization]):
        return {organization: VisibleToGateway(gateway_buildings(organization, principal.id))}
