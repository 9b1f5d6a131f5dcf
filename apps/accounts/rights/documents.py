"""Response documents of visits, roles and service tokens."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from apps.accounts.models import ServiceToken, Visit
from apps.common.openapi.members import Timestamp
from apps.common.times import optional_rfc3339, rfc3339


class VisitDocument(msgspec.Struct, frozen=True):
    """A platform operator's visit to an organization. `ended_at` is set if it ended before `ends_at`."""

    id: UUID
    organization: UUID
    visitor: UUID
    visitor_name: str
    reason: Annotated[str, Meta(description="Visible to the school.")]
    started_at: Timestamp
    ends_at: Timestamp
    ended_at: Timestamp | None
    ended_by: UUID | None


class RoleDocument(msgspec.Struct, frozen=True):
    """The permissions of a role, as `resource:action`."""

    role: str
    permissions: Sequence[str]


class RolesDocument(msgspec.Struct, frozen=True):
    """The permissions of every role, from most to least."""

    roles: Sequence[RoleDocument]


class ServiceTokenDocument(msgspec.Struct, frozen=True):
    """A service token, without its secret. `used_at` is null until its first use."""

    id: UUID
    organization: UUID
    name: Annotated[str, Meta(description="The system that uses it.")]
    scopes: Annotated[Sequence[str], Meta(description="`resource:action` each.")]
    created_by: UUID | None
    created_at: Timestamp
    expires_at: Timestamp
    used_at: Annotated[Timestamp | None, Meta(description="Accurate to two minutes.")]


class NewServiceTokenDocument(ServiceTokenDocument, frozen=True):
    """A newly created service token."""

    token: Annotated[str, Meta(description="`Authorization: Bearer <token>`. Returned only once.")]


def visit_document(visit: Visit) -> VisitDocument:
    """Build the document of a visit."""
    return VisitDocument(
        id=visit.id,
        organization=visit.organization_id,
        visitor=visit.user_id,
        visitor_name=visit.user.full_name,
        reason=visit.reason,
        started_at=rfc3339(visit.started_at),
        ends_at=rfc3339(visit.ends_at),
        ended_at=optional_rfc3339(visit.ended_at),
        ended_by=visit.ended_by,
    )


def role_document(role: str, permissions: Sequence[str]) -> RoleDocument:
    """Build the document of a role."""
    return RoleDocument(role=role, permissions=permissions)


def service_token_document(token: ServiceToken) -> ServiceTokenDocument:
    """Build the document of a service token."""
    return ServiceTokenDocument(
        id=token.id,
        organization=token.organization_id,
        name=token.name,
        scopes=token.scopes,
        created_by=token.created_by,
        created_at=rfc3339(token.created_at),
        expires_at=rfc3339(token.expires_at),
        used_at=optional_rfc3339(token.used_at),
    )


def new_service_token_document(token: ServiceToken, secret: str) -> NewServiceTokenDocument:
    """Build the document of a new service token, the only one with its secret."""
    return NewServiceTokenDocument(**msgspec.structs.asdict(service_token_document(token)), token=secret)
