"""Joining an organization with an invitation that is sent to an e-mail address.

Neither an invitation nor its response reveals whether the address has an account. Its secret is sent only by e-mail,
and generated when the e-mail is created.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import Value
from django.db.models.functions import Lower

from apps.accounts.audit_actions import AuditAction
from apps.accounts.identity import users
from apps.accounts.identity.credentials.throttle import is_due
from apps.accounts.identity.selectors import user_by_email
from apps.accounts.identity.users import EmailTaken
from apps.accounts.mail import links, messages, queue
from apps.accounts.mail.budgets import spend
from apps.accounts.mail.links import LinkRefused, digest_of
from apps.accounts.models import Invitation, Membership, MembershipScope, Role, User
from apps.accounts.people import memberships
from apps.accounts.people.documents import invitation_document
from apps.accounts.people.memberships import AlreadyMember, RoleAt, grant_places, require_places
from apps.accounts.people.selectors import invitation_place
from apps.common.access import ANONYMOUS, SYSTEM, Principal, PrincipalKind, require, require_own_account
from apps.common.changes import record_change
from apps.common.db.scope import system_scope, tenant_scope, widen_scope
from apps.common.http.writes.etags import require_match
from apps.common.limits import REGISTRATION_ANSWERS, Message
from apps.common.problems import Conflict, Invalid, NotFound
from apps.tenancy.models import Organization, OrganizationStatus
from apps.tenancy.organizations import organization_settings

VALID_FOR: Final = timedelta(days=7)
LONGEST: Final = timedelta(days=30)
NOWHERE_YET: Final = RoleAt(Role.VIEWER, MembershipScope.PLACES)
"""Role from open registration: listed among the people, without rights until an administrator grants some."""


class AlreadyInvited(Conflict):
    """There is an open invitation to this address."""

    code = "already_invited"
    default_detail = "This address is invited already: send the invitation again, or withdraw it first."


class AccountExists(Conflict):
    """The invited address has an account: its owner must sign in, then accept the invitation."""

    code = "account_exists"
    default_detail = "There is an account with this address: sign in, then accept the invitation."


class ForAnotherAddress(Conflict):
    """The invitation is for another address than that of the caller's account."""

    code = "invitation_for_another"
    default_detail = "This invitation is for another e-mail address than yours."


class NewAccount(msgspec.Struct, frozen=True):
    """The data of a new account."""

    password: str
    first_name: str
    last_name: str
    locale: str | None = None


def invite(
    *,
    actor: Principal,
    organization_id: UUID,
    email: str,
    held: RoleAt,
    now: datetime,
    expires_at: datetime | None = None,
) -> Invitation:
    """Offer a role to an e-mail address; the e-mail is sent after commit.

    Raises NotFound, Forbidden, Invalid, AlreadyInvited, AlreadyMember (of this organization only), TooManyMessages.
    """
    require(actor, organization_id, "people", "create")
    _spend(actor, organization_id, email)
    require_places(organization_id, held)
    if expires_at is not None and not now < expires_at <= now + LONGEST:
        raise Invalid(errors={"expires_at": [f"Within the next {LONGEST.days} days."]})
    if _is_member(organization_id, email):
        raise AlreadyMember()
    try:
        with transaction.atomic():
            invitation = Invitation.objects.create(
                organization_id=organization_id,
                email=email.strip(),
                role=held.role,
                scope=held.scope,
                site_ids=sorted(held.sites),
                building_ids=sorted(held.buildings),
                invited_by=None if actor.kind is PrincipalKind.SYSTEM else actor.id,
                created_at=now,
                expires_at=expires_at or now + VALID_FOR,
            )
    except IntegrityError:
        raise AlreadyInvited() from None
    _record(actor, invitation, AuditAction.INVITATION_CREATED, role=held.role)
    _send(invitation)
    return invitation


def resend(
    *,
    actor: Principal,
    organization_id: UUID,
    invitation_id: UUID,
    now: datetime,
    if_match: str | None = None,
) -> Invitation:
    """Send an invitation again, with a new link and a new expiry; the old link stops working.

    Raises NotFound, Forbidden, PreconditionFailed, TooManyMessages.
    """
    require(actor, organization_id, "people", "create")
    invitation = _locked(organization_id, invitation_id, if_match)
    _spend(actor, organization_id, invitation.email)
    invitation.digest, invitation.sent_at, invitation.expires_at = None, None, now + VALID_FOR
    invitation.save(update_fields=["digest", "sent_at", "expires_at"])
    _record(actor, invitation, AuditAction.INVITATION_RESENT)
    _send(invitation)
    return invitation


def revoke(
    *, actor: Principal, organization_id: UUID, invitation_id: UUID, now: datetime, if_match: str | None = None
) -> None:
    """Withdraw an invitation; its link stops working. Raises NotFound, Forbidden, PreconditionFailed."""
    require(actor, organization_id, "people", "delete")
    invitation = _locked(organization_id, invitation_id, if_match)
    invitation.revoked_at, invitation.digest = now, None
    invitation.save(update_fields=["revoked_at", "digest"])
    _record(actor, invitation, AuditAction.INVITATION_REVOKED)


def register(*, token: str, account: NewAccount, now: datetime) -> Membership:
    """Create an account for the invited address, and its membership. Opens its own transaction: callers are anonymous.

    Raises LinkRefused, Invalid (the password is too weak), AccountExists.
    """
    place = invitation_place(digest_of(token))
    if place is None:
        raise LinkRefused()
    with tenant_scope([place[0]]):
        email = _open_invitation(*place, now).email
    user = User(
        email=email,
        first_name=account.first_name,
        last_name=account.last_name,
        locale=account.locale,
        email_verified=True,
    )
    users.choose_password(user, account.password)
    with tenant_scope([place[0]]):
        invitation = _open_invitation(*place, now)
        try:
            users.keep(user, actor=ANONYMOUS)
        except EmailTaken:
            raise AccountExists() from None
        return _join(user, invitation, now, actor=ANONYMOUS)


def take_up(*, principal: Principal, token: str, now: datetime) -> Membership:
    """Accept an invitation for the caller, whose account must have the invited address, and return the membership.

    Raises Forbidden, LinkRefused, ForAnotherAddress, AlreadyMember.
    """
    require_own_account(principal)
    place = invitation_place(digest_of(token))
    if place is None:
        raise LinkRefused()
    widen_scope([place[0]])
    invitation = _open_invitation(*place, now)
    user = user_by_email(invitation.email)
    if user is None or user.id != principal.id:
        raise ForAnotherAddress()
    User.objects.filter(pk=user.pk).update(email_verified=True)
    return _join(user, invitation, now, actor=principal)


def ask_open_registration(*, slug: str, email: str, source: str) -> None:
    """Queue an invitation to the requester, if the school is open to registration. Raises TooManyMessages, Unavailable.

    Schools are counted by the slug as typed, even if there is no such school, so that the response reveals nothing.
    """
    spend(Message.OPEN_REGISTRATION, source=source, school=slug)
    queue.later("register_openly", slug, email)


def register_openly(*, slug: str, email: str, now: datetime) -> None:
    """Invite the requester if the organization is open to registration; else do nothing.

    Runs in the worker: the requester gets the same response in either case, and only the owner of the address learns
    more.
    """
    with system_scope():
        organization = Organization.objects.filter(slug=slug.lower(), status=OrganizationStatus.ACTIVE).first()
    if organization is None or not organization_settings.read(organization.settings).open_registration:
        return
    if user_by_email(email) is not None:
        if is_due("has_account", email, REGISTRATION_ANSWERS):
            messages.send(messages.has_account(to=email))
        return
    with tenant_scope([organization.id]):
        known = _open_of(organization.id, email)
        if known is None:
            invite(actor=SYSTEM, organization_id=organization.id, email=email, held=NOWHERE_YET, now=now)
        elif known.invited_by is None and known.sent_at and known.sent_at < now - REGISTRATION_ANSWERS.window:
            resend(actor=SYSTEM, organization_id=organization.id, invitation_id=known.id, now=now)


def deliver(*, organization_id: UUID, invitation_id: UUID, now: datetime) -> None:
    """Create the link and send it; do nothing if the invitation is no longer open. Raises OSError."""
    with tenant_scope([organization_id]):
        invitation = (
            Invitation.objects.select_for_update(of=["self"])
            .select_related("organization")
            .filter(id=invitation_id, accepted_at=None, revoked_at=None, sent_at=None)
            .first()
        )
        if invitation is None:
            return
        secret = new_link_secret(invitation)
        email = messages.invitation(
            to=invitation.email,
            organization=invitation.organization.name,
            secret=secret,
            expires_at=invitation.expires_at,
        )
    messages.send(email)
    with tenant_scope([organization_id]):
        Invitation.objects.filter(id=invitation_id).update(sent_at=now)


def new_link_secret(invitation: Invitation) -> str:
    """Set and return a new secret for the invitation's link, which allows joining. Earlier secrets stop working."""
    secret = links.new_secret()
    invitation.digest = digest_of(secret)
    invitation.save(update_fields=["digest"])
    return secret


def _join(user: User, invitation: Invitation, now: datetime, *, actor: Principal) -> Membership:
    held = RoleAt(
        Role(invitation.role),
        MembershipScope(invitation.scope),
        frozenset(invitation.site_ids),
        frozenset(invitation.building_ids),
    )
    membership = memberships.add_membership(
        user=user, organization_id=invitation.organization_id, role=held.role, scope=held.scope, actor=actor
    )
    grant_places(membership, held)
    invitation.accepted_at, invitation.digest = now, None
    invitation.save(update_fields=["accepted_at", "digest"])
    return membership


def _open_invitation(organization_id: UUID, invitation_id: UUID, now: datetime) -> Invitation:
    """Return the invitation, locked until commit, so that a link is used once. Raises LinkRefused."""
    invitation = (
        Invitation.objects.select_for_update()
        .filter(
            organization_id=organization_id,
            id=invitation_id,
            accepted_at=None,
            revoked_at=None,
            digest__isnull=False,
            expires_at__gt=now,
        )
        .first()
    )
    if invitation is None:
        raise LinkRefused()
    return invitation


def _locked(organization_id: UUID, invitation_id: UUID, if_match: str | None) -> Invitation:
    invitation = (
        Invitation.objects.select_for_update()
        .filter(organization_id=organization_id, id=invitation_id, accepted_at=None, revoked_at=None)
        .first()
    )
    if invitation is None:
        raise NotFound()
    require_match(if_match, invitation_document(invitation))
    return invitation


def _is_member(organization_id: UUID, email: str) -> bool:
    here = Membership.objects.filter(organization_id=organization_id)
    return here.alias(address=Lower("user__email")).filter(address=Lower(Value(email.strip()))).exists()


def _open_of(organization_id: UUID, email: str) -> Invitation | None:
    still_open = Invitation.objects.filter(organization_id=organization_id, accepted_at=None, revoked_at=None)
    return still_open.alias(address=Lower("email")).filter(address=Lower(Value(email.strip()))).first()


def _send(invitation: Invitation) -> None:
    queue.after_commit("send_invitation", str(invitation.organization_id), str(invitation.id))


def _spend(actor: Principal, organization_id: UUID, email: str) -> None:
    """Count the e-mail. Commands are not counted, and open registration was counted when it was requested.

    Raises TooManyMessages.
    """
    if actor.kind is not PrincipalKind.SYSTEM:
        spend(Message.INVITATION, school=str(organization_id), recipient=email)


def _record(actor: Principal, invitation: Invitation, action: AuditAction, **detail: str) -> None:
    record_change(
        actor=actor,
        action=action,
        target_kind="invitation",
        target_id=invitation.id,
        organization_id=invitation.organization_id,
        resource="people",
        **detail,
    )
