"""Changing one's own password, and resetting a forgotten one."""

from datetime import datetime
from uuid import UUID

from apps.accounts.audit_actions import AuditAction
from apps.accounts.identity import proofs, users
from apps.accounts.identity.credentials.password_proof import WrongPassword, prove
from apps.accounts.identity.selectors import owner_of_proof, user_by_email
from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.identity.users import address_of
from apps.accounts.mail import queue
from apps.accounts.mail.budgets import TooManyMessages, spend
from apps.accounts.mail.links import LinkRefused, digest_of
from apps.accounts.models import Proof, ProofPurpose, User
from apps.accounts.rights.grants import person_principal
from apps.common.access import ANONYMOUS, Principal, require_own_account
from apps.common.db.scope import tenant_scope
from apps.common.limits import Message


def change(*, principal: Principal, current: str, password: str, address: str, now: datetime) -> User:
    """Change the password and end every sign-in except the caller's.

    Raises Forbidden, NoPassword, WrongPassword, TooManyGuesses, Invalid (it is too weak).
    """
    require_own_account(principal)
    user = User.objects.get(pk=principal.id)
    prove(user, password=current, principal=principal, address=address)
    known = user.password
    users.choose_password(user, password)
    if users.locked(user.pk).password != known:
        raise WrongPassword("current_password")  # changed concurrently
    _set(user, principal, AuditAction.ACCOUNT_PASSWORD_CHANGED, except_family=principal.sign_in, now=now)
    return user


def ask_reset(*, email: str, source: str) -> None:
    """Queue the password reset for this address, with or without an account. Raises TooManyMessages, Unavailable."""
    spend(Message.FORGOTTEN_PASSWORD, source=source)
    queue.later("start_password_reset", email)


def start_reset(*, email: str, now: datetime) -> None:
    """Send a link to the owner of an account, if there is one; runs in the worker, so the caller learns nothing."""
    user = user_by_email(email)
    principal = person_principal(user.pk, now=now) if user else None
    if user is None or principal is None or address_of(user) is None:
        return
    with tenant_scope(principal.grants):
        try:
            for organization in principal.grants:
                spend(Message.FORGOTTEN_PASSWORD, school=str(organization))
            proofs.ask(user=user, purpose=ProofPurpose.PASSWORD, value=None, now=now)
        except TooManyMessages:
            return
        users.record(
            actor=ANONYMOUS,
            action=AuditAction.ACCOUNT_PASSWORD_RESET_ASKED,
            user_id=principal.id,
            organizations=principal.grants,
        )


def reset(*, token: str, password: str, now: datetime) -> str:
    """Set a new password with the secret of an e-mailed link, end every sign-in, and return the account's address.

    Opens its own transaction.

    If the password is too weak, the link stays valid. Raises LinkRefused, Invalid.
    """
    owner = owner_of_proof(digest_of(token))
    principal = person_principal(owner, now=now) if owner else None
    if principal is None:
        raise LinkRefused()
    user = User.objects.get(pk=principal.id)
    users.choose_password(user, password)
    with tenant_scope(principal.grants):
        proofs.redeem(token=token, purpose=ProofPurpose.PASSWORD, now=now)
        user.email_verified = True
        _set(user, principal, AuditAction.ACCOUNT_PASSWORD_RESET, except_family=None, now=now)
    return user.email


def _set(user: User, principal: Principal, action: AuditAction, *, except_family: UUID | None, now: datetime) -> None:
    user.updated_at = now
    user.save(update_fields=["password", "email_verified", "updated_at"])
    Proof.objects.filter(user=user, purpose=ProofPurpose.PASSWORD).delete()
    sign_in.end_sign_ins(user.pk, except_family=except_family, now=now)
    users.record(actor=principal, action=action, user_id=principal.id, organizations=principal.grants)
    address = address_of(user)
    if address:
        queue.after_commit("tell_password_changed", address)
