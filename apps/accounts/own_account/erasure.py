"""Erasure of an account: personal data is deleted; records of the person's actions stay under an anonymous id.

Alerts, notes and the audit trail contain ids only; the trail's names and addresses are stored outside its hash chain,
and are deleted.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.db.models import Value
from django.db.models.functions import Lower

from apps.accounts.audit_actions import AuditAction
from apps.accounts.identity import users
from apps.accounts.identity.credentials.password_proof import prove
from apps.accounts.identity.selectors import organizations_of
from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.identity.users import NOWHERE
from apps.accounts.models import (
    ExternalIdentity,
    Invitation,
    Membership,
    Proof,
    PushRegistration,
    SignIn,
    SignInChallenge,
    User,
    UserStatus,
)
from apps.accounts.people.departures import withdraw_what_they_made
from apps.accounts.people.memberships import require_other_admin
from apps.common import audit, feed
from apps.common.access import Principal, require_own_account
from apps.common.db.scope import widen_scope
from apps.common.http.writes import idempotency
from apps.common.models import AuditPersonal
from apps.common.problems import Conflict
from apps.tenancy.models import Organization
from apps.tenancy.organizations import organization_settings


class LegalHold(Conflict):
    """An organization must keep its records of people, including former ones; `organizations` names it."""

    code = "legal_hold"
    default_detail = "An organization that knows you must keep its records for now: ask its administrator."


def erase(*, principal: Principal, password: str, address: str, now: datetime) -> None:
    """Erase the person: their account, memberships, sign-ins, devices, and every copy of their name.

    Raises Forbidden, NoPassword, WrongPassword, TooManyGuesses, LastAdmin, LegalHold.
    """
    require_own_account(principal)
    user = User.objects.get(pk=principal.id)
    prove(user, password=password, principal=principal, address=address)
    organizations = organizations_of(user.pk)
    widen_scope(organizations)
    held = _under_legal_hold(organizations)
    require_other_admin(principal.grants, user.pk, now=now)
    users.locked(user.pk)
    memberships = Membership.objects.filter(user_id=user.pk)
    members_of = sorted(memberships.values_list("organization_id", flat=True))
    _require_no_hold(held, members_of, user)
    _forget_invitations(user.email, keep=held)
    memberships.delete()
    for organization in members_of:
        withdraw_what_they_made(actor=principal, user_id=user.pk, organization_id=organization, now=now)
    users.record(actor=principal, action=AuditAction.ACCOUNT_ERASED, user_id=user.pk, organizations=members_of)
    for organization in members_of:
        feed.announce_change(organization_id=organization, resource="people", id=user.pk)
    ExternalIdentity.objects.filter(user=user).exclude(organization_id__in=held).delete()
    sign_in.end_sign_ins(user.pk, now=now)
    for kept in (SignIn, SignInChallenge, Authenticator, PushRegistration, Proof):
        kept.objects.filter(user=user).delete()
    idempotency.forget(principal)
    _anonymize(user, now)
    audit.forget(user.pk)


def _require_no_hold(held: set[UUID], members_of: Sequence[UUID], user: User) -> None:
    """Raise LegalHold. An invitation alone does not block erasure, or any school could block it by inviting people."""
    named_in = AuditPersonal.objects.filter(person_id=user.pk).values_list("organization_id", flat=True).distinct()
    keeping = held.intersection([*members_of, *named_in])
    if keeping:
        raise LegalHold(organizations=sorted(str(organization) for organization in keeping))


def _under_legal_hold(organizations: Iterable[UUID]) -> set[UUID]:
    """Return the organizations under legal hold. Rows are locked until commit, so that no hold begins meanwhile."""
    rows = Organization.objects.select_for_update(no_key=True).filter(id__in=list(organizations)).order_by("id")
    return {one.id for one in rows if organization_settings.read(one.settings).legal_hold}


def _forget_invitations(email: str, *, keep: Iterable[UUID]) -> None:
    """Delete every invitation to this address, accepted or not, except those of organizations under legal hold."""
    to_me = Invitation.objects.alias(address=Lower("email")).filter(address=Lower(Value(email)))
    for invitation in to_me.exclude(organization_id__in=list(keep)):
        feed.announce_change(organization_id=invitation.organization_id, resource="people", id=invitation.id)
        invitation.delete()


def _anonymize(user: User, now: datetime) -> None:
    """Anonymize the row, which stays because ids refer to it. Its sessions end with the password and the status."""
    user.email = f"{user.pk}@erased{NOWHERE}"
    user.phone = user.first_name = user.last_name = user.locale = user.password = None
    user.email_verified = user.phone_verified = user.is_super_admin = False
    user.last_login = None
    user.status = UserStatus.DELETED
    user.updated_at = now
    user.save()
