"""Response documents of people, day accounts and invitations."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from apps.accounts.identity.users import address_of
from apps.accounts.models import Invitation, Membership
from apps.common.times import optional_rfc3339, rfc3339


class PlacesDocument(msgspec.Struct, frozen=True):
    """The places where a role of scope `places` applies."""

    sites: Sequence[UUID] = ()
    buildings: Sequence[UUID] = ()


class PersonDocument(msgspec.Struct, frozen=True):
    """A person in one organization. The organization can change `name` and `title`; the rest belongs to the person.

    `expires_at` is set for a day account.
    """

    id: UUID
    organization: UUID
    name: str
    title: str | None
    role: str
    scope: str
    places: PlacesDocument
    day_account: bool
    expires_at: str | None
    first_name: str | None
    last_name: str | None
    email: str | None
    email_verified: bool
    phone: str | None
    status: str
    joined_at: str


class DayAccountDocument(msgspec.Struct, frozen=True):
    """A new day account and its code, which is returned only once; null if it was sent to an address."""

    person: PersonDocument
    code: str | None


class InvitationDocument(msgspec.Struct, frozen=True):
    """An open invitation. `sent_at` is null until its e-mail has been sent."""

    id: UUID
    organization: UUID
    email: str
    role: str
    scope: str
    places: PlacesDocument
    invited_by: UUID | None
    created_at: str
    expires_at: str
    sent_at: str | None


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
    """Result of an accepted invitation; `email` is the address to sign in with."""

    id: UUID
    email: str
    organization: UUID
    role: str


def joined_document(membership: Membership) -> JoinedDocument:
    """Build the document for a new member."""
    return JoinedDocument(
        id=membership.user_id,
        email=membership.user.email,
        organization=membership.organization_id,
        role=membership.role,
    )
