"""Joining an organization: by an invitation to an address, taken up by whoever reads its mail.

An invitation says nothing of whether the address has an account, and its answer neither. Its secret goes by e-mail
alone; it is made when the mail is.
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
from apps.accounts.mail.budgets import Message, spend
from apps.accounts.mail.links import LinkRefused, digest_of
from apps.accounts.models import Invitation, Membership, MembershipScope, Role, User
from apps.accounts.people import memberships
from apps.accounts.people.documents import invitation_document
from apps.accounts.people.memberships import AlreadyMember, RoleAt, grant_places, require_places
from apps.accounts.people.selectors import invitation_place
from apps.common.access import ANONYMOUS, SYSTEM, Principal, PrincipalKind, require, require_own_account
from apps.common.changes import record_change
from apps.common.db.scope import system_scope, tenant_scope, widen_scope
from apps.common.http.etags import require_match
from apps.common.problems import Conflict, Invalid, NotFound
from apps.tenancy import organization_settings
from apps.tenancy.models import Organization, OrganizationStatus

VALID_FOR: Final = timedelta(days=7)
LONGEST: Final = timedelta(days=30)
AGAIN_AFTER: Final = timedelta(hours=1)
"""How often open registration writes to one address at the most, whoever asks for it."""
NOWHERE_YET: Final = RoleAt(Role.VIEWER, MembershipScope.PLACES)
"""What open registration gives: a name in the list of people, and no right until an administrator gives one."""


class AlreadyInvited(Conflict):
    """There is an open invitation to this address."""

    code = "already_invited"
    default_detail = "This address is invited already: send the invitation again, or withdraw it first."


class AccountExists(Conflict):
    """The invited address has an account: its owner signs in, then takes up the invitation."""

    code = "account_exists"
    default_detail = "There is an account with this address: sign in, then take up the invitation."


class ForAnotherAddress(Conflict):
    """The invitation is for another address than that of the account that wants to take it up."""

    code = "invitation_for_another"
    default_detail = "This invitation is for another e-mail address than yours."


class NewAccount(msgspec.Struct, frozen=True):
    """What somebody chooses who has no account yet."""

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
    """Offer a role to whoever reads the mail of this address; the e-mail leaves after commit.

    Raises NotFound, Forbidden, Invalid, AlreadyInvited, AlreadyMember (only of the own organization), TooManyMessages.
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
    """Send it again, with a new link and a new term; the old link ends.

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
    """Withdraw it: its link opens nothing any more. Raises NotFound, Forbidden, PreconditionFailed."""
    require(actor, organization_id, "people", "delete")
    invitation = _locked(organization_id, invitation_id, if_match)
    invitation.revoked_at, invitation.digest = now, None
    invitation.save(update_fields=["revoked_at", "digest"])
    _record(actor, invitation, AuditAction.INVITATION_REVOKED)


def register(*, token: str, account: NewAccount, now: datetime) -> Membership:
    """A new account for the invited address, and its membership. Opens its own transaction: nobody is known yet.

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
    """The membership that an invitation offers, for the account of the invited address, whose owner has signed in.

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
    """Have the worker invite whoever asks, where that school is open to it. Raises TooManyMessages, Unavailable.

    A school is counted by the name that was typed, also where there is none, so that the answer tells nothing.
    """
    spend(Message.OPEN_REGISTRATION, source=source, school=slug)
    queue.later("register_openly", slug, email)


def register_openly(*, slug: str, email: str, now: datetime) -> None:
    """Invite whoever asked for it, where the organization is open to registration; else do nothing.

    For the worker: who asks is told the same in any case, and only the owner of the address learns more.
    """
    with system_scope():
        organization = Organization.objects.filter(slug=slug.lower(), status=OrganizationStatus.ACTIVE).first()
    if organization is None or not organization_settings.read(organization.settings).open_registration:
        return
    if user_by_email(email) is not None:
        if is_due("has_account", email, every_seconds=int(AGAIN_AFTER.total_seconds())):
            messages.send(messages.has_account(to=email))
        return
    with tenant_scope([organization.id]):
        known = _open_of(organization.id, email)
        if known is None:
            invite(actor=SYSTEM, organization_id=organization.id, email=email, held=NOWHERE_YET, now=now)
        elif known.invited_by is None and known.sent_at is not None and known.sent_at < now - AGAIN_AFTER:
            resend(actor=SYSTEM, organization_id=organization.id, invitation_id=known.id, now=now)


def deliver(*, organization_id: UUID, invitation_id: UUID, now: datetime) -> None:
    """Make the link and send it; nothing to do for an invitation that is no longer open. Raises OSError."""
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
        letter = messages.invitation(
            to=invitation.email,
            organization=invitation.organization.name,
            secret=secret,
            expires_at=invitation.expires_at,
        )
    messages.send(letter)
    with tenant_scope([organization_id]):
        Invitation.objects.filter(id=invitation_id).update(sent_at=now)


def new_link_secret(invitation: Invitation) -> str:
    """The secret of the invitation's link from now on: whoever has it, joins. Any earlier one ends."""
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
    """Locked until commit, so that a link is used once. Raises LinkRefused."""
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
    """Count the e-mail. Commands are not counted, and open registration was when it was asked for.

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
