"""How people are told: the one representation that answers carry and entity tags are made from."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from apps.accounts.models import (
    IdentityDomain,
    IdentityProvider,
    Invitation,
    Membership,
    PushRegistration,
    ServiceToken,
    SignIn,
    User,
    Visit,
)
from apps.common.times import rfc3339

NOWHERE: Final = ".invalid"
"""The end of an address that stands in for none (RFC 2606, 2): of day accounts and of people who were erased."""


class PlacesDocument(msgspec.Struct, frozen=True):
    """Where a role holds whose scope is `places`."""

    sites: Sequence[UUID] = ()
    buildings: Sequence[UUID] = ()


class PersonDocument(msgspec.Struct, frozen=True):
    """A person as one organization sees them. `name` and `title` are the organization's to change, the rest is theirs.

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
    """A new day account, and its code, which is told this once; null where it was sent to an address."""

    person: PersonDocument
    code: str | None


class VisitDocument(msgspec.Struct, frozen=True):
    """A platform operator's look into an organization. `ended_at` is set where it ended before `ends_at`."""

    id: UUID
    organization: UUID
    visitor: UUID
    visitor_name: str
    reason: str
    started_at: str
    ends_at: str
    ended_at: str | None
    ended_by: UUID | None


class RoleDocument(msgspec.Struct, frozen=True):
    """What a role may, as `resource:action`."""

    role: str
    permissions: Sequence[str]


class InvitationDocument(msgspec.Struct, frozen=True):
    """An open invitation. `sent_at` is null until its e-mail has left."""

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


class PushDocument(msgspec.Struct, frozen=True):
    """A phone or browser that is told of alerts. Its token is not told back."""

    id: UUID
    platform: str
    app_version: str
    created_at: str
    seen_at: str


class TotpDocument(msgspec.Struct, frozen=True):
    """An authenticator app that is set up."""

    created_at: str
    last_used_at: str | None


class PasskeyDocument(msgspec.Struct, frozen=True):
    """A passkey, by the name that its owner gave it."""

    id: int
    name: str
    created_at: str
    last_used_at: str | None


class SecondFactorsDocument(msgspec.Struct, frozen=True):
    """What a person can show beside their password; `required_by` are organizations that ask for it in vain so far."""

    totp: TotpDocument | None
    passkeys: Sequence[PasskeyDocument]
    recovery_codes_left: int
    required_by: Sequence[UUID]


class IdentityProviderDocument(msgspec.Struct, frozen=True):
    """Where an organization's people sign in instead. Its secret is not told back."""

    id: UUID
    organization: UUID
    name: str
    issuer: str
    client_id: str
    role_claim: str | None
    role_map: Mapping[str, str]
    default_role: str | None
    is_active: bool
    created_at: str


class IdentityDomainDocument(msgspec.Struct, frozen=True):
    """A mail domain that was verified to be an organization's."""

    domain: str
    verified_at: str


class SignInPlaceDocument(msgspec.Struct, frozen=True):
    """Where somebody with an address in a domain may sign in."""

    id: UUID
    name: str
    organization: str


def identity_provider_document(provider: IdentityProvider) -> IdentityProviderDocument:
    """An identity provider."""
    return IdentityProviderDocument(
        id=provider.id,
        organization=provider.organization_id,
        name=provider.name,
        issuer=provider.issuer,
        client_id=provider.client_id,
        role_claim=provider.role_claim,
        role_map=provider.role_map,
        default_role=provider.default_role,
        is_active=provider.is_active,
        created_at=rfc3339(provider.created_at),
    )


def identity_domain_document(domain: IdentityDomain) -> IdentityDomainDocument:
    """A verified domain."""
    return IdentityDomainDocument(domain=domain.domain, verified_at=rfc3339(domain.verified_at))


def passkey_document(authenticator: Any) -> PasskeyDocument:
    """A passkey, from allauth's authenticator."""
    return PasskeyDocument(
        id=authenticator.pk,
        name=authenticator.data["name"],
        created_at=rfc3339(authenticator.created_at),
        last_used_at=_at(authenticator.last_used_at),
    )


def totp_document(authenticator: Any) -> TotpDocument:
    """An authenticator app, from allauth's authenticator."""
    return TotpDocument(created_at=rfc3339(authenticator.created_at), last_used_at=_at(authenticator.last_used_at))


def _at(at: datetime | None) -> str | None:
    return rfc3339(at) if at else None


class SessionDocument(msgspec.Struct, frozen=True):
    """One sign-in of the caller's own. `used_at` is right to within ten minutes; `current`: the one that asks."""

    id: UUID
    kind: str
    device: str
    address: str | None
    created_at: str
    used_at: str
    expires_at: str
    current: bool


class ServiceTokenDocument(msgspec.Struct, frozen=True):
    """A service token, without its secret. `used_at` is null until its first use, and right to within two minutes."""

    id: UUID
    organization: UUID
    name: str
    scopes: Sequence[str]
    created_by: UUID | None
    created_at: str
    expires_at: str
    used_at: str | None


def person_document(membership: Membership, places: Mapping[UUID, PlacesDocument]) -> PersonDocument:
    """A person of an organization; `places` are those of the memberships that are narrowed, by person."""
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
        expires_at=rfc3339(membership.expires_at) if membership.expires_at else None,
        first_name=user.first_name,
        last_name=user.last_name,
        email=address_of(user),
        email_verified=user.email_verified,
        phone=user.phone,
        status=user.status,
        joined_at=rfc3339(membership.created_at),
    )


def visit_document(visit: Visit) -> VisitDocument:
    """A visit."""
    return VisitDocument(
        id=visit.id,
        organization=visit.organization_id,
        visitor=visit.user_id,
        visitor_name=visit.user.full_name,
        reason=visit.reason,
        started_at=rfc3339(visit.started_at),
        ends_at=rfc3339(visit.ends_at),
        ended_at=_at(visit.ended_at),
        ended_by=visit.ended_by,
    )


def role_document(role: str, permissions: Sequence[str]) -> RoleDocument:
    """A role."""
    return RoleDocument(role=role, permissions=permissions)


def invitation_document(invitation: Invitation) -> InvitationDocument:
    """An invitation; its secret is in its e-mail alone."""
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
        sent_at=rfc3339(invitation.sent_at) if invitation.sent_at else None,
    )


def push_document(registration: PushRegistration) -> PushDocument:
    """A push registration."""
    return PushDocument(
        id=registration.id,
        platform=registration.platform,
        app_version=registration.app_version,
        created_at=rfc3339(registration.created_at),
        seen_at=rfc3339(registration.seen_at),
    )


def session_document(sign_in: SignIn, *, current: UUID | None) -> SessionDocument:
    """A sign-in, as its owner is told of it."""
    return SessionDocument(
        id=sign_in.id,
        kind=sign_in.kind,
        device=sign_in.device,
        address=sign_in.address,
        created_at=rfc3339(sign_in.created_at),
        used_at=rfc3339(sign_in.used_at),
        expires_at=rfc3339(sign_in.expires_at),
        current=sign_in.id == current,
    )


def service_token_document(token: ServiceToken) -> ServiceTokenDocument:
    """A service token."""
    return ServiceTokenDocument(
        id=token.id,
        organization=token.organization_id,
        name=token.name,
        scopes=token.scopes,
        created_by=token.created_by,
        created_at=rfc3339(token.created_at),
        expires_at=rfc3339(token.expires_at),
        used_at=rfc3339(token.used_at) if token.used_at else None,
    )


def address_of(user: User) -> str | None:
    """The person's e-mail address; None where they have none."""
    return None if user.email.endswith(NOWHERE) else user.email
