"""Principals and their permissions: pure checks of grants that are resolved once for each request.

A right is a pair (resource, action). Most grants hold it in the whole organization. A narrowed grant (`places`) holds
it only at the sites and buildings that were granted: a check without a place is for the whole organization, so that a
forgotten place results in a refusal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Final
from uuid import UUID

from apps.common.problems import Forbidden, NotFound

Pair = tuple[str, str]
"""(resource, action); actions are create, read, update, delete."""
NOTHING: frozenset[Pair] = frozenset()


class PrincipalKind(StrEnum):
    """Kinds of callers, each with its own credentials and rights; none is another kind with a flag."""

    PERSON = "person"
    GATEWAY = "gateway"
    SERVICE = "service"
    SYSTEM = "system"
    ANONYMOUS = "nobody"


@dataclass(frozen=True, slots=True)
class Places:
    """The rights of a narrowed grant by place. Each building of a granted site is in `buildings` too."""

    sites: Mapping[UUID, frozenset[Pair]] = field(default_factory=dict)
    buildings: Mapping[UUID, frozenset[Pair]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grant:
    """The rights of a principal in one organization: everywhere in it or, if `places` is given, only there.

    `permissions` holds in the whole organization, so it is empty for a narrowed grant.
    """

    organization_id: UUID
    role: str
    permissions: frozenset[Pair]
    places: Places | None = None
    needs_second_factor: bool = False
    """Whether most of the role is withheld until the person sets up the second factor that is required."""

    def at(self, building: UUID | None = None, site: UUID | None = None) -> frozenset[Pair]:
        """Return the rights held at a building or at a site; with neither, in the whole organization."""
        if self.places is None:
            return self.permissions
        if building is not None:
            return self.places.buildings.get(building, NOTHING)
        return self.places.sites.get(site, NOTHING) if site is not None else NOTHING

    def anywhere(self, resource: str, action: str) -> bool:
        """Return whether this right is held in the organization or at any of its places: enough to open a list."""
        places = self.places or Places()
        return any(
            (resource, action) in held
            for held in (self.permissions, *places.sites.values(), *places.buildings.values())
        )

    def buildings(self, resource: str, action: str) -> frozenset[UUID] | None:
        """Return the buildings where this right is held, to narrow a list; None: the whole organization.

        The set is empty if the right is held nowhere.
        """
        return self._narrowed_to(self.places.buildings if self.places else {}, resource, action)

    def sites(self, resource: str, action: str) -> frozenset[UUID] | None:
        """Like `buildings`. If only a building of a site was granted, the site can be read as a place, and no more."""
        return self._narrowed_to(self.places.sites if self.places else {}, resource, action)

    def _narrowed_to(
        self, granted: Mapping[UUID, frozenset[Pair]], resource: str, action: str
    ) -> frozenset[UUID] | None:
        if (resource, action) in self.permissions:
            return None
        return frozenset(place for place, held in granted.items() if (resource, action) in held)


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose credential was verified, with their current grants."""

    kind: PrincipalKind
    id: UUID
    name: str
    grants: Mapping[UUID, Grant] = field(default_factory=dict)
    is_super_admin: bool = False
    needs_second_factor: bool = False
    """Whether they are a super admin only after they set up a second factor."""
    sign_in: UUID | None = None
    """The sign-in that a person uses."""
    only: UUID | None = None
    """The organization whose identity provider signed the person in: the sign-in is valid there only, and neither
    changes nor reveals the account itself, which other organizations share."""

    @property
    def is_authenticated(self) -> bool:
        """Whether a credential was verified (DRF requires this of a user): true for all but `ANONYMOUS`."""
        return self.kind is not PrincipalKind.ANONYMOUS


SYSTEM: Final = Principal(PrincipalKind.SYSTEM, UUID(int=0), "SafeSignal", is_super_admin=True)
"""The platform itself: commands, seeds, sweeps, retention, and provisioning by single sign-on. It has the rights of
platform operators and, in every organization, `SYSTEM_PERMISSIONS`.
"""
SYSTEM_PERMISSIONS: Final[frozenset[Pair]] = frozenset(
    {
        ("configuration", "create"),
        ("devices", "create"),
        ("devices", "update"),
        ("gateways", "create"),
        ("people", "create"),
        ("places", "create"),
        ("places", "update"),
    }
)
ANONYMOUS: Final = Principal(PrincipalKind.ANONYMOUS, UUID(int=0), "")
"""A caller without a verified credential, such as one whose sign-in failed. It has no rights."""


NOT_RIGHTS: Final = frozenset({"id", "name", "sign_in"})
"""Fields of a principal that say who is calling; all others, including future ones, say what they may do."""


def rights_of(principal: Principal) -> dict[str, object]:
    """Return everything that determines the principal's rights: equal rights result in equal responses."""
    names = [one.name for one in fields(principal) if one.name not in NOT_RIGHTS]
    return {name: getattr(principal, name) for name in names}


class SecondFactorNeeded(Forbidden):
    """The organization requires a second factor of its administrators, or the platform of its operators, and this
    account has none. Raising and answering alarms never requires it.
    """

    code = "second_factor_needed"
    default_detail = "A second factor is asked of you here: set one up at /account/second-factor/, then try again."


class NotBySingleSignOn(Forbidden):
    """A sign-in through an organization's identity provider is valid in that organization, not for the account."""

    code = "not_by_single_sign_on"
    default_detail = "Sign in with e-mail and password for this: your school's sign-in is valid for your school only."


def second_factor_due(principal: Principal) -> bool:
    """Return whether an organization or the platform requires a second factor that this person lacks."""
    return principal.needs_second_factor or any(grant.needs_second_factor for grant in principal.grants.values())


def allows(
    principal: Principal,
    organization: UUID,
    resource: str,
    action: str,
    building: UUID | None = None,
    site: UUID | None = None,
) -> bool:
    """Return whether the principal may do `action` on `resource` at a building, a site, or in the organization."""
    grant = _grant_of(principal, organization)
    return grant is not None and (resource, action) in grant.at(building, site)


def grant_in(principal: Principal, organization: UUID) -> Grant:
    """Return the principal's grant in an organization. Raises NotFound for a stranger, to hide that it exists."""
    grant = _grant_of(principal, organization)
    if grant is None:
        raise NotFound()
    return grant


def require(
    principal: Principal,
    organization: UUID,
    resource: str,
    action: str,
    building: UUID | None = None,
    site: UUID | None = None,
) -> Grant:
    """Return the grant that allows it. Raises NotFound for a stranger to the organization or place, else Forbidden."""
    grant = grant_in(principal, organization)
    held = grant.at(building, site)
    if (resource, action) in held:
        return grant
    if grant.places and not held and (building or site):
        raise NotFound()
    raise _refusal(grant, resource, action)


def require_anywhere(principal: Principal, organization: UUID, resource: str, action: str) -> Grant:
    """Return the grant that allows it at one place or more: for a list that `grant.buildings(...)` then narrows.

    Raises NotFound for a stranger, else Forbidden.
    """
    grant = grant_in(principal, organization)
    if not grant.anywhere(resource, action):
        raise _refusal(grant, resource, action)
    return grant


def require_super_admin(principal: Principal) -> None:
    """Require a platform operator, for matters outside any school. Raises Forbidden, SecondFactorNeeded."""
    if principal.needs_second_factor:
        raise SecondFactorNeeded()
    if not principal.is_super_admin:
        raise Forbidden("Only operators of the platform may do this.")


def require_person(principal: Principal) -> None:
    """Require a person. Raises Forbidden."""
    if principal.kind is not PrincipalKind.PERSON:
        raise Forbidden("Only people have an account.")


def require_own_account(principal: Principal) -> None:
    """Require access to a person's account in all their organizations. Raises Forbidden, NotBySingleSignOn."""
    require_person(principal)
    if principal.only is not None:
        raise NotBySingleSignOn()


def _grant_of(principal: Principal, organization: UUID) -> Grant | None:
    if principal.kind is PrincipalKind.SYSTEM:
        return Grant(organization, PrincipalKind.SYSTEM, SYSTEM_PERMISSIONS)
    return principal.grants.get(organization)


def _refusal(grant: Grant, resource: str, action: str) -> Forbidden:
    if grant.needs_second_factor:
        return SecondFactorNeeded()
    where = "in the whole organization" if grant.places else "in this organization"
    return Forbidden(f"Your role ({grant.role}) does not include {resource}:{action} {where}.")
