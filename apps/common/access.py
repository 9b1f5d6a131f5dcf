"""Who is calling, and whether they may: a pure check of grants that were resolved once for each request.

A right is a pair (resource, action). Most grants hold it in the whole organization. A narrowed grant (`places`) holds
it at the sites and buildings that were granted and nowhere else: a check that names no place asks for the whole
organization, so that one which forgets the place refuses.
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
    """Each kind has its own credentials and its own rights; none is another with a flag."""

    PERSON = "person"
    GATEWAY = "gateway"
    SERVICE = "service"
    SYSTEM = "system"
    ANONYMOUS = "nobody"


@dataclass(frozen=True, slots=True)
class Places:
    """What a narrowed grant holds where. Each building of a granted site is in `buildings` too."""

    sites: Mapping[UUID, frozenset[Pair]] = field(default_factory=dict)
    buildings: Mapping[UUID, frozenset[Pair]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a principal may in one organization: everywhere in it or, where `places` is given, only there.

    `permissions` holds in the whole organization, so it is empty for a narrowed grant.
    """

    organization_id: UUID
    role: str
    permissions: frozenset[Pair]
    places: Places | None = None
    needs_second_factor: bool = False
    """Whether most of the role is withheld until the person sets up a second factor, as the organization asks."""

    def at(self, building: UUID | None = None, site: UUID | None = None) -> frozenset[Pair]:
        """The rights held at a building or at a site; with neither, in the whole organization."""
        if self.places is None:
            return self.permissions
        if building is not None:
            return self.places.buildings.get(building, NOTHING)
        return self.places.sites.get(site, NOTHING) if site is not None else NOTHING

    def anywhere(self, resource: str, action: str) -> bool:
        """Whether this right holds in the organization or at any place of it: who may open a list at all."""
        places = self.places or Places()
        return any(
            (resource, action) in held
            for held in (self.permissions, *places.sites.values(), *places.buildings.values())
        )

    def buildings(self, resource: str, action: str) -> frozenset[UUID] | None:
        """The buildings where this right holds, to narrow a list by; None: the whole organization, no narrowing.

        Who has the right nowhere gets the empty set.
        """
        return self._narrowed_to(self.places.buildings if self.places else {}, resource, action)

    def sites(self, resource: str, action: str) -> frozenset[UUID] | None:
        """Like `buildings`. A site of which only a building was granted can be read as a place, and nothing else."""
        return self._narrowed_to(self.places.sites if self.places else {}, resource, action)

    def _narrowed_to(
        self, granted: Mapping[UUID, frozenset[Pair]], resource: str, action: str
    ) -> frozenset[UUID] | None:
        if (resource, action) in self.permissions:
            return None
        return frozenset(place for place, held in granted.items() if (resource, action) in held)


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose credential was verified, with the grants that hold at this moment."""

    kind: PrincipalKind
    id: UUID
    name: str
    grants: Mapping[UUID, Grant] = field(default_factory=dict)
    is_super_admin: bool = False
    needs_second_factor: bool = False
    """Whether they would be a super admin, and are none until they set up a second factor."""
    sign_in: UUID | None = None
    """Which sign-in a person came by."""
    only: UUID | None = None
    """The organization whose identity provider vouched for a person: there alone this sign-in counts, and of the
    account itself, which others share, it changes and shows nothing."""

    @property
    def is_authenticated(self) -> bool:
        """Whether a credential was verified (what DRF asks of a user): of everybody but `ANONYMOUS`."""
        return self.kind is not PrincipalKind.ANONYMOUS


SYSTEM: Final = Principal(PrincipalKind.SYSTEM, UUID(int=0), "SafeSignal", is_super_admin=True)
"""The platform itself: commands, seeds, sweeps, retention, and what single sign-on provisions. It may do what platform
operators may and, in every organization, `SYSTEM_PERMISSIONS`.
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
"""Fields of a principal that say who is calling; all others, a new one too, say what they may do."""


def rights_of(principal: Principal) -> dict[str, object]:
    """What decides what the principal may do and see: two principals with equal rights get equal answers."""
    names = [one.name for one in fields(principal) if one.name not in NOT_RIGHTS]
    return {name: getattr(principal, name) for name in names}


class SecondFactorNeeded(Forbidden):
    """The organization asks its administrators for a second factor, the platform its operators, and this account has
    none. Alarms are raised and answered without.
    """

    code = "second_factor_needed"
    default_detail = "A second factor is asked of you here: set one up at /account/second-factor/, then try again."


class NotBySingleSignOn(Forbidden):
    """An organization's identity provider vouches for a person in that organization, not for their account."""

    code = "not_by_single_sign_on"
    default_detail = "Sign in with e-mail and password for this: your school's sign-in opens your school alone."


def second_factor_due(principal: Principal) -> bool:
    """Whether an organization or the platform asks this person for a second factor that they do not have yet."""
    return principal.needs_second_factor or any(grant.needs_second_factor for grant in principal.grants.values())


def allows(
    principal: Principal,
    organization: UUID,
    resource: str,
    action: str,
    building: UUID | None = None,
    site: UUID | None = None,
) -> bool:
    """Whether the principal may do `action` on `resource` at a building, at a site, or in the whole organization."""
    grant = _grant_of(principal, organization)
    return grant is not None and (resource, action) in grant.at(building, site)


def grant_in(principal: Principal, organization: UUID) -> Grant:
    """The principal's grant in an organization. Raises NotFound for a stranger, who must not learn that it exists."""
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
    """The grant that allows it. Raises NotFound for a stranger to the organization or to the place, else Forbidden."""
    grant = grant_in(principal, organization)
    held = grant.at(building, site)
    if (resource, action) in held:
        return grant
    if grant.places and not held and (building or site):
        raise NotFound()
    raise _refusal(grant, resource, action)


def require_anywhere(principal: Principal, organization: UUID, resource: str, action: str) -> Grant:
    """The grant that allows it at some place at least: for a list that `grant.buildings(...)` then narrows.

    Raises NotFound for a stranger, else Forbidden.
    """
    grant = grant_in(principal, organization)
    if not grant.anywhere(resource, action):
        raise _refusal(grant, resource, action)
    return grant


def require_super_admin(principal: Principal) -> None:
    """For what lies outside schools: who runs the platform. Raises Forbidden, SecondFactorNeeded."""
    if principal.needs_second_factor:
        raise SecondFactorNeeded()
    if not principal.is_super_admin:
        raise Forbidden("Only operators of the platform may do this.")


def require_person(principal: Principal) -> None:
    """For what only people have. Raises Forbidden."""
    if principal.kind is not PrincipalKind.PERSON:
        raise Forbidden("Only people have an account.")


def require_own_account(principal: Principal) -> None:
    """For what concerns a person's account, in all their organizations. Raises Forbidden, NotBySingleSignOn."""
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
