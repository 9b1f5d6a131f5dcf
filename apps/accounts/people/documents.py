"""Response documents of people, day accounts and invitations."""

from collections.abc import Mapping, Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from apps.accounts.identity.users import address_of
from apps.accounts.models import Invitation, Membership, MembershipScope, Role, UserStatus
from apps.common.openapi.members import Email, Timestamp, one_of
from apps.common.times import optional_rfc3339, rfc3339

RoleName = Annotated[str, one_of(Role.choices)]
ScopeName = Annotated[str, one_of(MembershipScope.choices)]


class PlacesDocument(msgspec.Struct, frozen=True):
    """The places where a role of scope `places` applies; a site includes all of its buildings, also later ones."""

    sites: Sequence[UUID] = ()
    buildings: Sequence[UUID] = ()


class PersonDocument(msgspec.Struct, frozen=True):
    """A person in one organization. The organization can change `name` and `title`; the rest belongs to the person."""

    id: UUID
    organization: UUID
    name: str
    title: Annotated[str | None, Meta(description="School nurse, for example.")]
    role: RoleName
    scope: ScopeName
    places: PlacesDocument
    day_account: bool
    expires_at: Annotated[Timestamp | None, Meta(description="Set for a day account.")]
    first_name: str | None
    last_name: str | None
    email: Email | None
    email_verified: bool
    phone: str | None
    status: Annotated[str, one_of(UserStatus.choices)]
    joined_at: Timestamp


class DayAccountDocument(msgspec.Struct, frozen=True):
    """A new day account."""

    person: PersonDocument
    code: Annotated[
        str | None,
        Meta(description="Signs in once at /auth/day; returned only once, null if it was sent by e-mail."),
    ]


class InvitationDocument(msgspec.Struct, frozen=True):
    """A role that is offered to an e-mail address."""

    id: UUID
    organization: UUID
    email: Email
    role: RoleName
    scope: ScopeName
    places: PlacesDocument
    invited_by: UUID | None
    created_at: Timestamp
    expires_at: Timestamp
    sent_at: Annotated[Timestamp | None, Meta(description="Null until its e-mail is sent.")]


def person_document(membership: Membership, places: Mapping[UUID, PlacesDocument]) -> PersonDocument:
    """Build the document of a person; `places` are those of memberships of scope `places`, by person."""
    user = membership.user
    return PersonDocument(
        id=user.id,
        organization=membership.organization_id,
        name=membership.name,
        title=membership.title,
        role=membership.role,
        scope=membership.scope,
        places=places.get(user.id, PlacesDocument()),
        day_account=membership.trigger_only,
        expires_at=optional_rfc3339(membership.expires_at),
        first_name=user.first_name,
        last_name=user.last_name,
        email=address_of(user),
        email_verified=user.email_verified,
        phone=user.phone,
        status=user.status,
        joined_at=rfc3339(membership.created_at),
    )


def invitation_document(invitation: Invitation) -> InvitationDocument:
    """Build the document of an invitation; its secret is only in its e-mail."""
    return InvitationDocument(
        id=invitation.id,
        organization=invitation.organization_id,
        email=invitation.email,
        role=invitation.role,
        scope=invitation.scope,
        places=PlacesDocument(sites=invitation.site_ids, buildings=invitation.building_ids),
        invited_by=invitation.invited_by,
        created_at=rfc3339(invitation.created_at),
        expires_at=rfc3339(invitation.expires_at),
        sent_at=optional_rfc3339(invitation.sent_at),
    )


class JoinedDocument(msgspec.Struct, frozen=True):
    """A new member and their organization; `email` is the address to sign in with."""

    id: UUID
    email: Email
    organization: UUID
    role: RoleName


def joined_document(membership: Membership) -> JoinedDocument:
    """Build the document for a new member."""
    return JoinedDocument(
        id=membership.user_id,
        email=membership.user.email,
        organization=membership.organization_id,
        role=membership.role,
    )
