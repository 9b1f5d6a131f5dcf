"""Authentication of gateways: single-use assertions (RFC 7523), and the principal behind a token."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from django.conf import settings
from django.db import connection

from apps.accounts.identity.keys import tokens
from apps.accounts.identity.principals.principals import Named
from apps.common.access import Grant, Principal, PrincipalKind
from apps.common.db.scope import tenant_scope
from apps.common.problems import Unauthenticated
from apps.common.times import from_unix
from apps.devices.services import record_gateway_seen

TOKEN_LIFETIME: Final = timedelta(minutes=10)
ASSERTION_LIFETIME: Final = timedelta(seconds=60)
CLOCK_LEEWAY: Final = timedelta(days=400)
"""How far a gateway's clock may be off. A building whose clock lost its time still reaches the cloud: the assertion is
bound to this server by `aud`, authenticates once by `jti`, and spans no more than ASSERTION_LIFETIME."""
PERMISSIONS: Final = frozenset({("edge_events", "create"), ("configuration", "read")})


class InvalidClient(Unauthenticated):
    """The assertion does not authenticate a gateway (RFC 6749, 5.2)."""

    code = "invalid_client"
    default_detail = "This assertion does not authenticate a gateway of this cloud."


class AssertionClaims(msgspec.Struct, frozen=True):
    """Claims that an assertion must have (RFC 7523, 3)."""

    iss: UUID
    sub: UUID
    aud: str
    iat: int
    exp: int
    jti: Annotated[str, msgspec.Meta(pattern=r"^[!-~]{8,64}\Z")]


def exchange_assertion(assertion: str, *, now: datetime) -> str:
    """Return an access token for the gateway that signed `assertion` with its ES256 key. Raises InvalidClient."""
    claims = _read(assertion)
    credentials = _credentials(claims.sub)
    if credentials is None:
        raise InvalidClient()
    organization, public_key, status = credentials
    try:
        jwt.decode(
            assertion,
            public_key,
            algorithms=["ES256"],
            audience=f"{settings.BASE_URL}/api/v1/oauth/token",
            options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except (jwt.PyJWTError, ValueError, UnsupportedAlgorithm) as error:
        raise InvalidClient(f"The assertion is not valid: {error}") from None
    if claims.iss != claims.sub or not 0 < claims.exp - claims.iat <= ASSERTION_LIFETIME.total_seconds():
        raise InvalidClient("iss and sub are the gateway's id, and exp is at most 60 s after iat.")
    issued = from_unix(seconds=claims.iat)
    if issued is None or abs(issued - now) > CLOCK_LEEWAY:
        raise InvalidClient("The assertion's times are too far from this cloud's clock.")
    if status == "revoked":
        raise InvalidClient("This gateway was revoked.")
    _use_once(organization, claims, now)
    return tokens.mint(kind=PrincipalKind.GATEWAY, subject=claims.sub, claims={}, lifetime=TOKEN_LIFETIME, now=now)


def principals_of(named: Collection[Named], now: datetime) -> dict[Named, Principal]:
    """Resolve gateways that verified tokens name. Gateways of a suspended organization may still report."""
    requested = {one.subject: one for one in named if isinstance(one.subject, UUID)}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT g.id, c.organization_id FROM unnest(%s::uuid[]) g (id), LATERAL gateway_credentials(g.id) c"
            " WHERE c.status <> 'revoked'",
            [list(requested)],
        )
        rows: list[tuple[UUID, UUID]] = cursor.fetchall()
    return {requested[gateway]: _principal(gateway, organization) for gateway, organization in rows}


def gateway_heard(gateway: Principal, at: datetime) -> None:
    """Record a sign of life of a gateway, over any transport."""
    (organization,) = gateway.grants
    with tenant_scope([organization]):
        record_gateway_seen(organization_id=organization, gateway_id=gateway.id, at=at)


def _principal(gateway: UUID, organization: UUID) -> Principal:
    grant = Grant(organization_id=organization, role="gateway", permissions=PERMISSIONS)
    return Principal(kind=PrincipalKind.GATEWAY, id=gateway, name="gateway", grants={organization: grant})


def _read(assertion: str) -> AssertionClaims:
    try:
        return msgspec.convert(jwt.decode(assertion, options={"verify_signature": False}), AssertionClaims)
    except (jwt.PyJWTError, msgspec.ValidationError) as error:
        raise InvalidClient(f"The assertion cannot be read: {error}") from None


def _credentials(gateway: UUID) -> tuple[UUID, str, str] | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT organization_id, public_key, status FROM gateway_credentials(%s)", [gateway])
        row: tuple[UUID, str, str] | None = cursor.fetchone()
    return row


def _use_once(organization: UUID, claims: AssertionClaims, now: datetime) -> None:
    """Store a `jti` for as long as its assertion could be accepted. Raises InvalidClient for a used one."""
    with tenant_scope([organization]), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO gateway_assertions (gateway_id, jti, organization_id, expires_at) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [claims.sub, claims.jti, organization, now + 2 * CLOCK_LEEWAY],
        )
        if cursor.rowcount == 0:
            raise InvalidClient("This assertion was used before: make a new one, with a jti of its own.")
