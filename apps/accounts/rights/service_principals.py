"""Resolving service tokens: an opaque secret is looked up by its digest before its organization is known."""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from django.db import connection

from apps.accounts.mail.links import digest_of, new_secret
from apps.accounts.rights.grants import effective_permissions
from apps.accounts.rights.people_only import PEOPLE_ONLY
from apps.common.access import Grant, Principal, PrincipalKind

PREFIX: Final = "sst_"
"""Prefix that lets secret scanners find leaked tokens."""
ROLE: Final = "service"


class _Row(msgspec.Struct, array_like=True, frozen=True):
    digest: bytes
    id: UUID
    organization: UUID
    status: str
    name: str
    scopes: tuple[str, ...]


def new_service_token() -> str:
    """Return a new token with 256 random bits."""
    return f"{PREFIX}{new_secret()}"


def is_service_token(token: str) -> bool:
    """Return whether this bearer token is a service token, not a JWT."""
    return token.startswith(PREFIX)


def digest_of_token(token: str) -> bytes:
    """Return the stored digest of a token."""
    return digest_of(token)


def service_principals(digests: Collection[bytes], *, now: datetime) -> dict[bytes, Principal]:
    """Return the services of these tokens with their current permissions, leaving out those without access. One
    statement.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d.digest, t.id, t.organization_id, t.organization_status, t.name, t.scopes"
            " FROM unnest(%s::bytea[]) d (digest), LATERAL service_token_by_digest(d.digest, %s) t",
            [list(digests), now],
        )
        rows = msgspec.convert(cursor.fetchall(), list[_Row])
    return {row.digest: _principal(row) for row in rows}


def _principal(row: _Row) -> Principal:
    rights = effective_permissions(ROLE, row.scopes, row.status) - PEOPLE_ONLY.keys()
    grant = Grant(organization_id=row.organization, role=ROLE, permissions=rights)
    return Principal(kind=PrincipalKind.SERVICE, id=row.id, name=row.name, grants={row.organization: grant})
