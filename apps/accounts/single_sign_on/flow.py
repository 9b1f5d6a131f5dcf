"""Signing in with an organization's own identity provider.

The provider identifies a person by (issuer, subject). Its e-mail claim links this identity to an account only if the
address is in a verified domain of the organization, and the account is already a member or is new. Sign-ins made this
way have rights in that organization only.
"""

import logging
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from typing import Final
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.accounts.audit_actions import AuditAction
from apps.accounts.identity import proofs, users
from apps.accounts.identity.documents import TokenPairDocument
from apps.accounts.identity.keys.signing_keys import base64url
from apps.accounts.identity.selectors import user_by_email
from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.mail import links
from apps.accounts.mail.links import digest_of
from apps.accounts.models import (
    ExternalIdentity,
    IdentityDomain,
    IdentityProvider,
    Membership,
    MembershipScope,
    Proof,
    ProofPurpose,
    Role,
    User,
    UserStatus,
)
from apps.accounts.people import memberships
from apps.accounts.people.departures import withdraw_what_they_made
from apps.accounts.people.memberships import LastAdmin
from apps.accounts.rights.grants import person_principal
from apps.accounts.single_sign_on import oidc
from apps.accounts.single_sign_on.oidc import Asserted, NotProved
from apps.accounts.single_sign_on.selectors import identity_provider_organization
from apps.common import audit
from apps.common.access import ANONYMOUS, SYSTEM
from apps.common.changes import record_change
from apps.common.db.scope import tenant_scope
from apps.common.encryption import CannotDecrypt, decrypt_recent, encrypt
from apps.common.problems import Invalid, NotFound, Unauthenticated

logger = logging.getLogger(__name__)

START_LIFETIME: Final = timedelta(minutes=10)
"""Time limit from the redirect to the provider until the return."""
APP_CODE_LIFETIME: Final = timedelta(minutes=1)
PENDING: Final = "single_sign_on"
MOST_TO_LEAST: Final = list(Role)


class SingleSignOnFailed(Unauthenticated):
    """The sign-in at the school's provider was cancelled, took too long, was started in another browser, or proved
    nothing.
    """

    code = "single_sign_on_failed"
    default_detail = "Signing in at your school did not work: begin again."


class IdentityNotLinked(Unauthenticated):
    """The school's provider knows this person but cannot be linked to an account: the address is not verified or not
    in a domain of the school, the account belongs to others or was removed here, or no role is mapped for the person.
    """

    code = "identity_not_linked"
    default_detail = "Your school's sign-in opens no account here: ask an administrator of your school to invite you."


class Destination(msgspec.Struct, frozen=True):
    """Where a sign-in continues: on a portal page or in an app at `redirect_uri` with its state and PKCE challenge."""

    page: str | None = None
    redirect_uri: str | None = None
    state: str = ""
    code_challenge: str = ""


class Pending(msgspec.Struct, frozen=True):
    """A sign-in in progress, stored encrypted in its browser."""

    provider: UUID
    request: oidc.Request
    destination: Destination


class Arrived(msgspec.Struct, frozen=True):
    """The person who has signed in, and the only organization where the sign-in is valid."""

    user: User
    organization: UUID
    identity: UUID


class _AppCode(msgspec.Struct, frozen=True):
    only: UUID
    challenge: str


def start(*, provider_id: UUID, destination: Destination, now: datetime) -> tuple[str, str]:
    """Return the provider's URL for the browser, and the encrypted state that the browser stores.

    Raises NotFound, Invalid, SingleSignOnFailed (the provider cannot be reached).
    """
    if destination.redirect_uri is not None and destination.redirect_uri not in settings.APP_REDIRECTS:
        raise Invalid(errors={"redirect_uri": ["Not registered with this platform."]})
    provider = _in_use(provider_id)
    try:
        address, request = oidc.begin(provider, state=links.new_secret(), nonce=links.new_secret())
    except NotProved as error:
        raise _failed(provider, error) from None
    pending = msgspec.json.encode(Pending(provider_id, request, destination)).decode()
    return address, encrypt(pending, purpose=PENDING, now=now)


def pending_of(kept: str | None, *, provider_id: UUID, state: str, now: datetime) -> Pending:
    """Return the sign-in that this browser started, if the callback belongs to it. Raises SingleSignOnFailed."""
    try:
        text = decrypt_recent(kept or "", purpose=PENDING, within=START_LIFETIME, now=now)
    except CannotDecrypt:
        raise SingleSignOnFailed() from None
    pending = msgspec.json.decode(text, type=Pending)
    if pending.provider != provider_id or not compare_digest(pending.request.state.encode(), state.encode()):
        raise SingleSignOnFailed()
    return pending


def finish(*, pending: Pending, code: str | None, now: datetime) -> Arrived:
    """Return the person that the provider identifies. Opens its own transactions; none is open during its requests.

    Raises SingleSignOnFailed, IdentityNotLinked.
    """
    try:
        provider = _in_use(pending.provider)
        if not code:
            raise NotProved("cancelled at the provider")
        asserted = oidc.finish(provider, pending.request, code=code, now=now)
    except NotFound:
        raise SingleSignOnFailed() from None
    except NotProved as error:
        raise _failed(provider, error) from None
    with tenant_scope([provider.organization_id]):
        identity, user = _identity(provider, asserted, now)
        allowed = user is not None and _may_sign_in(provider, user, asserted)
        _record(provider, user, audit.DONE if allowed else audit.REFUSED)
        if allowed and identity is not None:
            ExternalIdentity.objects.filter(pk=identity.pk).update(last_used_at=now)
    if not allowed or user is None or identity is None:
        raise IdentityNotLinked()
    return Arrived(user, provider.organization_id, identity.pk)


def app_code(*, arrived: Arrived, destination: Destination, now: datetime) -> str:
    """Return a code that the app exchanges for tokens, once and within a minute, with its PKCE verifier."""
    secret = links.new_secret()
    value = msgspec.json.encode(_AppCode(arrived.organization, destination.code_challenge)).decode()
    Proof.objects.create(
        user=arrived.user,
        purpose=ProofPurpose.APP,
        value=value,
        digest=digest_of(secret),
        created_at=now,
        expires_at=now + APP_CODE_LIFETIME,
        sent_at=now,
    )
    return secret


def exchange(*, code: str, code_verifier: str, address: str, device: str, now: datetime) -> TokenPairDocument:
    """Exchange an app's code for tokens. Opens its own transactions. Raises SingleSignOnFailed, LinkRefused."""
    with transaction.atomic():
        proof = proofs.redeem_app_code(code=code, now=now)
    kept = msgspec.json.decode(proof.value or "", type=_AppCode)
    challenge = base64url(sha256(code_verifier.encode()).digest())
    if not secrets.compare_digest(challenge.encode(), kept.challenge.encode()):
        raise SingleSignOnFailed()
    return sign_in.begin(user=proof.user, now=now, address=address, device=device, only=kept.only)


def _in_use(provider_id: UUID) -> IdentityProvider:
    organization = identity_provider_organization(provider_id)
    if organization is None:
        raise NotFound()
    with tenant_scope([organization]):
        provider = IdentityProvider.objects.filter(pk=provider_id, is_active=True).first()
    if provider is None:
        raise NotFound()
    return provider


def _identity(
    provider: IdentityProvider, asserted: Asserted, now: datetime
) -> tuple[ExternalIdentity | None, User | None]:
    """Return the identity of (issuer, subject) in the provider's organization; create it if it may be linked."""
    of_issuer = ExternalIdentity.objects.filter(
        organization_id=provider.organization_id, issuer=provider.issuer, subject=asserted.subject
    )
    known = of_issuer.select_related("user").first()
    if known is not None:
        return known, known.user
    user = _linked(provider, asserted)
    if user is None:
        return None, None
    identity, _ = ExternalIdentity.objects.get_or_create(
        organization_id=provider.organization_id,
        issuer=provider.issuer,
        subject=asserted.subject,
        defaults={"provider": provider, "user": user, "created_at": now},
    )
    return identity, user


def _linked(provider: IdentityProvider, asserted: Asserted) -> User | None:
    """Return the account that this provider may link by e-mail: a member's or a new one; else None."""
    here = provider.organization_id
    domain = oidc.domain_of(asserted.email) if asserted.email else None
    if asserted.email is None or domain is None:
        return None
    if not IdentityDomain.objects.filter(organization_id=here, domain=domain).exists():
        return None
    user = user_by_email(asserted.email)
    if user is not None:
        return user if Membership.objects.filter(user=user, organization_id=here).exists() else None
    role = _role(provider, asserted.groups or frozenset())
    if role is None:
        return None
    user = users.create_user(
        actor=SYSTEM,
        email=asserted.email,
        password=None,
        first_name=asserted.first_name,
        last_name=asserted.last_name,
    )
    User.objects.filter(pk=user.pk).update(email_verified=True)
    memberships.add_membership(actor=SYSTEM, user=user, organization_id=here, role=role)
    return user


def _may_sign_in(provider: IdentityProvider, user: User, asserted: Asserted) -> bool:
    """Apply the role from the provider, and return whether the person is currently a member.

    If the provider assigns no roles, or its token does not include the person's groups, the role does not change.
    """
    if user.status != UserStatus.ACTIVE:
        return False
    if provider.role_map and asserted.groups is not None:
        role = _role(provider, asserted.groups)
        if role is None:
            return False
        _apply_role(provider.organization_id, user, role)
    principal = person_principal(user.pk, only=provider.organization_id)
    return principal is not None and bool(principal.grants)


def _role(provider: IdentityProvider, groups: frozenset[str]) -> Role | None:
    """Return the highest role of the person's groups; the default role if no group is mapped."""
    role_map: Mapping[str, str] = provider.role_map
    mapped = [Role(role) for group, role in role_map.items() if group in groups]
    if mapped:
        return min(mapped, key=MOST_TO_LEAST.index)
    return Role(provider.default_role) if provider.default_role else None


def _apply_role(organization_id: UUID, user: User, role: Role) -> None:
    """Set the role from the organization's directory. Roles of scope `places` and day accounts do not change, and the
    last administrator stays one.
    """
    membership = Membership.objects.select_for_update().filter(user=user, organization_id=organization_id).first()
    if (
        membership is None
        or membership.role == role
        or membership.trigger_only
        or membership.scope != MembershipScope.ORGANIZATION
    ):
        return
    if membership.role == Role.ADMIN:
        try:
            memberships.require_other_admin([organization_id], user.pk)
        except LastAdmin:
            return
    before = membership.role
    membership.role = role
    membership.save(update_fields=["role"])
    withdraw_what_they_made(actor=SYSTEM, user_id=user.pk, organization_id=organization_id, now=timezone.now())
    record_change(
        actor=SYSTEM,
        action=AuditAction.MEMBERSHIP_CHANGED,
        target_kind="user",
        target_id=user.pk,
        organization_id=organization_id,
        resource="people",
        role=role,
        role_before=before,
    )


def _failed(provider: IdentityProvider, error: NotProved) -> SingleSignOnFailed:
    logger.info("single sign-on at provider %s failed: %s", provider.id, error)
    with tenant_scope([provider.organization_id]):
        _record(provider, None, audit.REFUSED)
    return SingleSignOnFailed()


def _record(provider: IdentityProvider, user: User | None, outcome: str) -> None:
    audit.record(
        actor=ANONYMOUS,
        action=AuditAction.AUTH_SINGLE_SIGN_ON,
        target_kind="user",
        target_id=user.pk if user else None,
        organization_id=provider.organization_id,
        outcome=outcome,
        provider=str(provider.id),
    )
