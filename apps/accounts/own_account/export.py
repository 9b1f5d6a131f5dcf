"""Export of all data about a person for that person, from every organization that stores data about them.

Other people appear as ids only. Secrets are not included: only their digests are stored.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from allauth.mfa.models import Authenticator
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Lower
from msgspec import Meta

from apps.accounts.identity.documents import SessionDocument, session_document
from apps.accounts.identity.selectors import organizations_of
from apps.accounts.identity.users import address_of
from apps.accounts.models import ExternalIdentity, Invitation, Membership, Proof, SignIn, User, Visit
from apps.accounts.own_account import personal_data, selectors
from apps.accounts.own_account.documents import PushRegistrationDocument, push_registration_document
from apps.accounts.people.documents import (
    InvitationDocument,
    PersonDocument,
    PlacesDocument,
    invitation_document,
    person_document,
)
from apps.common import audit
from apps.common.access import Principal, require_own_account
from apps.common.db.scope import widen_scope
from apps.common.models import AuditEntry, AuditPersonal
from apps.common.openapi.members import Email, Timestamp
from apps.common.times import optional_rfc3339, rfc3339


class AccountPart(msgspec.Struct, frozen=True):
    """The account itself."""

    id: UUID
    email: Email | None
    email_verified: bool
    phone: str | None
    phone_verified: bool
    first_name: str | None
    last_name: str | None
    locale: str | None
    status: str
    is_super_admin: bool
    created_at: Timestamp
    updated_at: Timestamp
    last_login_at: Timestamp | None


class SecondFactorPart(msgspec.Struct, frozen=True):
    """An authenticator app, a passkey, or recovery codes; their secrets are never exported."""

    kind: str
    created_at: Timestamp
    used_at: Timestamp | None


class IdentityPart(msgspec.Struct, frozen=True):
    """The person's identity at an organization's identity provider."""

    organization: UUID
    issuer: str
    subject: str
    created_at: Timestamp


class ProofPart(msgspec.Struct, frozen=True):
    """A link or code that was requested and not used."""

    purpose: str
    sent_to: str | None
    created_at: Timestamp
    expires_at: Timestamp


class VisitPart(msgspec.Struct, frozen=True):
    """A visit to an organization as a platform operator."""

    organization: UUID
    reason: str
    started_at: Timestamp
    ends_at: Timestamp


class AuditPart(msgspec.Struct, frozen=True):
    """Audit record of an action by the person, or of an action on them (`by_me` false).

    Refused attempts name no target: it may belong to another organization.
    """

    organization: UUID | None
    at: Timestamp
    action: str
    outcome: str
    by_me: bool
    target_kind: str
    target_id: UUID | None
    detail: Mapping[str, object]
    personal: Mapping[str, object]


class Export(msgspec.Struct, frozen=True):
    """All data about the caller; other people appear as ids only."""

    exported_at: Timestamp
    account: AccountPart
    memberships: Sequence[PersonDocument]
    invitations: Sequence[InvitationDocument]
    devices: Sequence[PushRegistrationDocument]
    sign_ins: Sequence[SessionDocument]
    second_factors: Sequence[SecondFactorPart]
    identities: Annotated[
        Sequence[IdentityPart], Meta(description="Your identities at your schools' identity providers.")
    ]
    proofs: Annotated[Sequence[ProofPart], Meta(description="Links and codes that were requested.")]
    visits: Sequence[VisitPart]
    audit: Annotated[Sequence[AuditPart], Meta(description="Audit records of actions by or on you.")]
    did: Annotated[Mapping[str, Sequence[personal_data.Trace]], Meta(description="Your actions on alerts, by kind.")]


def own_export(*, principal: Principal, now: datetime) -> bytes:
    """Return the caller's export as JSON. Raises Forbidden."""
    require_own_account(principal)
    widen_scope(organizations_of(principal.id))
    user = User.objects.get(pk=principal.id)
    export = Export(
        exported_at=rfc3339(now),
        account=_account(user),
        memberships=list(_memberships(user)),
        invitations=[invitation_document(one) for one in _invitations(user)],
        devices=[push_registration_document(one) for one in selectors.push_registrations(user.pk)],
        sign_ins=list(_sign_ins(user)),
        second_factors=list(_second_factors(user)),
        identities=list(_identities(user)),
        proofs=list(_proofs(user)),
        visits=list(_visits(user)),
        audit=list(_trail(user)),
        did=personal_data.of_person(user.pk),
    )
    return msgspec.json.encode(export)


def _account(user: User) -> AccountPart:
    return AccountPart(
        id=user.pk,
        email=address_of(user),
        email_verified=user.email_verified,
        phone=user.phone,
        phone_verified=user.phone_verified,
        first_name=user.first_name,
        last_name=user.last_name,
        locale=user.locale,
        status=user.status,
        is_super_admin=user.is_super_admin,
        created_at=rfc3339(user.created_at),
        updated_at=rfc3339(user.updated_at),
        last_login_at=optional_rfc3339(user.last_login),
    )


def _memberships(user: User) -> Iterator[PersonDocument]:
    places = selectors.own_places(user.pk)
    own = Membership.objects.filter(user_id=user.pk).select_related("user").order_by("organization_id")
    for one in own:
        yield person_document(one, {user.pk: places.get(one.organization_id, PlacesDocument())})


def _invitations(user: User) -> QuerySet[Invitation]:
    to_me = Invitation.objects.alias(address=Lower("email")).filter(address=Lower(Value(user.email)))
    return to_me.order_by("created_at", "id")


def _sign_ins(user: User) -> Iterator[SessionDocument]:
    for one in SignIn.objects.filter(user=user).order_by("created_at", "id"):
        yield session_document(one, current=None)


def _second_factors(user: User) -> Iterator[SecondFactorPart]:
    for one in Authenticator.objects.filter(user=user).order_by("created_at", "id"):
        used = optional_rfc3339(one.last_used_at)
        yield SecondFactorPart(one.type, rfc3339(one.created_at), used)


def _identities(user: User) -> Iterator[IdentityPart]:
    for one in ExternalIdentity.objects.filter(user=user).order_by("created_at", "id"):
        yield IdentityPart(one.organization_id, one.issuer, one.subject, rfc3339(one.created_at))


def _proofs(user: User) -> Iterator[ProofPart]:
    for one in Proof.objects.filter(user=user).order_by("created_at", "id"):
        yield ProofPart(one.purpose, one.value, rfc3339(one.created_at), rfc3339(one.expires_at))


def _visits(user: User) -> Iterator[VisitPart]:
    for one in Visit.objects.filter(user=user).order_by("started_at", "id"):
        yield VisitPart(one.organization_id, one.reason, rfc3339(one.started_at), rfc3339(one.ends_at))


def _trail(user: User) -> Iterator[AuditPart]:
    about = AuditEntry.objects.filter(Q(actor_id=user.pk) | Q(target_id=user.pk))
    personal = dict(AuditPersonal.objects.filter(person_id=user.pk).values_list("entry_id", "values"))
    for entry in about.order_by("at", "id"):
        yield AuditPart(
            organization=entry.organization_id,
            at=rfc3339(entry.at),
            action=entry.action,
            outcome=entry.outcome,
            by_me=entry.actor_id == user.pk,
            target_kind=entry.target_kind,
            target_id=entry.target_id if entry.outcome == audit.DONE else None,
            detail=entry.detail,
            personal=personal.get(entry.id, {}),
        )
