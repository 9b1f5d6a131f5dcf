"""Who is calling, and whether they may: a pure check of grants that were resolved once, at the door."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from apps.common.problems import Forbidden, NotFound


class PrincipalKind(StrEnum):
    """Each kind has its own credentials and its own rights; none is another with a flag."""

    PERSON = "person"
    GATEWAY = "gateway"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a principal may in one organization: pairs of (resource, action)."""

    organization_id: UUID
    role: str
    permissions: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose credential was verified, with the grants that hold at this moment."""

    kind: PrincipalKind
    id: UUID
    name: str
    grants: Mapping[UUID, Grant] = field(default_factory=dict)
    is_super_admin: bool = False

    @property
    def is_authenticated(self) -> bool:
        """True: a principal exists only for a verified credential (what DRF asks of a user)."""
        return True


def allows(principal: Principal, organization: UUID, resource: str, action: str) -> bool:
    """Whether the principal may do `action` (create, read, update, delete) on `resource` of the organization."""
    grant = principal.grants.get(organization)
    return grant is not None and (resource, action) in grant.permissions


def grant_in(principal: Principal, organization: UUID) -> Grant:
    """The principal's grant in an organization. Raises NotFound for a stranger, who must not learn that it exists."""
    grant = principal.grants.get(organization)
    if grant is None:
        raise NotFound()
    return grant


def require(principal: Principal, organization: UUID, resource: str, action: str) -> Grant:
    """The grant that allows it. Raises NotFound for a stranger, else Forbidden."""
    grant = grant_in(principal, organization)
    if (resource, action) not in grant.permissions:
        raise Forbidden(f"Your role in this organization ({grant.role}) does not include {resource}:{action}.")
    return grant
