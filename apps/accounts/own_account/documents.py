"""Response documents of one's own account."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec

from apps.accounts.identity.users import address_of
from apps.accounts.models import Membership, PushRegistration, User
from apps.accounts.people.documents import PlacesDocument
from apps.common.access import Grant, Pair, Principal
from apps.common.times import optional_rfc3339, rfc3339


class PushDocument(msgspec.Struct, frozen=True):
    """A phone or browser that receives alerts. Its token is not returned."""

    id: UUID
    platform: str
    app_version: str
    created_at: str
    seen_at: str


def push_document(registration: PushRegistration) -> PushDocument:
    """Build the document of a push registration."""
    return PushDocument(
        id=registration.id,
        platform=registration.platform,
        app_version=registration.app_version,
        created_at=rfc3339(registration.created_at),
        seen_at=rfc3339(registration.seen_at),
    )


class OwnOrganizationDocument(msgspec.Struct, frozen=True):
    """An organization for its members. `suspension_reason` is null unless it is suspended."""

    id: UUID
    name: str
    slug: str
    status: str
    suspension_reason: str | None


class HeldDocument(msgspec.Struct, frozen=True):
    """Permissions of a role of scope `places` at one place: a `site` or a `building`."""

    kind: str
    id: UUID
    permissions: Sequence[str]


class OwnMembershipDocument(msgspec.Struct, frozen=True):
    """The caller's role in an organization. `name` and `title` are the organization's display data.

    `permissions` (`resource:action`) apply in the whole organization now; a role of scope `places` has the permissions
    in `held_at` instead.
    """

    organization: OwnOrganizationDocument
    role: str
    scope: str
    places: PlacesDocument
    name: str
    title: str | None
    day_account: bool
    expires_at: str | None
    joined_at: str
    permissions: Sequence[str]
    held_at: Sequence[HeldDocument]


class OwnDocument(msgspec.Struct, frozen=True):
    """The caller's account. `email` is null for a day account; without `has_password`, sign-in works another way."""

    id: UUID
    email: str | None
    email_verified: bool
    phone: str | None
    phone_verified: bool
    first_name: str | None
    last_name: str | None
    locale: str | None
    has_password: bool
    is_super_admin: bool
    created_at: str
    memberships: Sequence[OwnMembershipDocument]


def own_document(
    user: User,
    principal: Principal,
    memberships: Iterable[Membership],
    places: Mapping[UUID, PlacesDocument],
) -> OwnDocument:
    """Build the account with its memberships; `places` are those of roles of scope `places`, by organization.

    With a school's sign-in, private data of the account is left out.
    """
    is_whole = principal.only is None
    return OwnDocument(
        id=user.id,
        email=address_of(user),
        email_verified=user.email_verified,
        phone=user.phone if is_whole else None,
        phone_verified=user.phone_verified and is_whole,
        first_name=user.first_name,
        last_name=user.last_name,
        locale=user.locale,
        has_password=user.has_password and is_whole,
        is_super_admin=user.is_super_admin and is_whole,
        created_at=rfc3339(user.created_at),
        memberships=[
            _membership(one, principal.grants[one.organization_id], places.get(one.organization_id, PlacesDocument()))
            for one in memberships
        ],
    )


def _membership(membership: Membership, grant: Grant, places: PlacesDocument) -> OwnMembershipDocument:
    organization = membership.organization
    return OwnMembershipDocument(
        organization=OwnOrganizationDocument(
            id=organization.id,
            name=organization.name,
            slug=organization.slug,
            status=organization.status,
            suspension_reason=organization.suspension_reason,
        ),
        role=membership.role,
        scope=membership.scope,
        places=places,
        name=membership.name,
        title=membership.title,
        day_account=membership.trigger_only,
        expires_at=optional_rfc3339(membership.expires_at),
        joined_at=rfc3339(membership.created_at),
        permissions=_names(grant.permissions),
        held_at=[
            HeldDocument(kind, place, _names(held))
            for kind, granted in (
                ("site", grant.places.sites if grant.places else {}),
                ("building", grant.places.buildings if grant.places else {}),
            )
            for place, held in sorted(granted.items())
        ],
    )


def _names(pairs: Iterable[Pair]) -> list[str]:
    return sorted(f"{resource}:{action}" for resource, action in pairs)
