"""Response documents of one's own account."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from apps.accounts.identity.serializers import LOCALE_HELP
from apps.accounts.identity.users import address_of
from apps.accounts.models import Membership, Platform, Proof, PushRegistration, User
from apps.accounts.people.documents import PlacesDocument, RoleName, ScopeName
from apps.common.access import Grant, Pair, Principal
from apps.common.openapi.members import Email, Timestamp, one_of
from apps.common.times import optional_rfc3339, rfc3339
from apps.tenancy.models import OrganizationStatus


class PushRegistrationDocument(msgspec.Struct, frozen=True):
    """A phone or browser that receives alerts. Its token is not returned."""

    id: UUID
    platform: Annotated[str, one_of(Platform.choices)]
    app_version: str
    created_at: Timestamp
    seen_at: Timestamp


class DevicesDocument(msgspec.Struct, frozen=True):
    """All push registrations, oldest first."""

    results: Sequence[PushRegistrationDocument]


def push_registration_document(registration: PushRegistration) -> PushRegistrationDocument:
    """Build the document of a push registration."""
    return PushRegistrationDocument(
        id=registration.id,
        platform=registration.platform,
        app_version=registration.app_version,
        created_at=rfc3339(registration.created_at),
        seen_at=rfc3339(registration.seen_at),
    )


class SentDocument(msgspec.Struct, frozen=True):
    """Confirmation that a message was sent, and until when it is valid."""

    expires_at: Timestamp


class CodeSentDocument(msgspec.Struct, frozen=True):
    """Confirmation that a code was sent: send it back together with `verification`."""

    verification: UUID
    expires_at: Timestamp


def sent_document(proof: Proof) -> SentDocument:
    """Build the document of a link that was sent."""
    return SentDocument(expires_at=rfc3339(proof.expires_at))


def code_sent_document(proof: Proof) -> CodeSentDocument:
    """Build the document of a code that was sent."""
    return CodeSentDocument(verification=proof.id, expires_at=rfc3339(proof.expires_at))


class OwnOrganizationDocument(msgspec.Struct, frozen=True):
    """An organization for its members. `suspension_reason` is null unless it is suspended."""

    id: UUID
    name: str
    slug: str
    status: Annotated[str, one_of(OrganizationStatus.choices)]
    suspension_reason: str | None


class HeldDocument(msgspec.Struct, frozen=True):
    """Permissions of a role of scope `places` at one place."""

    kind: Annotated[str, one_of(["site", "building"])]
    id: UUID
    permissions: Sequence[str]


class OwnMembershipDocument(msgspec.Struct, frozen=True):
    """The caller's role in an organization."""

    organization: OwnOrganizationDocument
    role: RoleName
    scope: ScopeName
    places: PlacesDocument
    name: Annotated[str, Meta(description="Your display name in the organization.")]
    title: str | None
    day_account: Annotated[bool, Meta(description="Whether it only gives the right to raise alarms.")]
    expires_at: Timestamp | None
    joined_at: Timestamp
    permissions: Annotated[
        Sequence[str], Meta(description="`resource:action`, effective in the whole organization now.")
    ]
    held_at: Annotated[Sequence[HeldDocument], Meta(description="Permissions of a role of scope `places`, by place.")]


class OwnDocument(msgspec.Struct, frozen=True):
    """The caller's account. `email` is null for a day account; without `has_password`, sign-in works another way."""

    id: UUID
    email: Email | None
    email_verified: bool
    phone: str | None
    phone_verified: bool
    first_name: str | None
    last_name: str | None
    locale: Annotated[str | None, Meta(description=LOCALE_HELP)]
    has_password: bool
    is_super_admin: bool
    created_at: Timestamp
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
