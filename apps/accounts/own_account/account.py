"""Changes of one's own account: name, language, e-mail address and telephone number.

A new address or number takes effect once the person has proved that they receive messages there.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.accounts.audit_actions import AuditAction
from apps.accounts.identity import proofs, users
from apps.accounts.identity.credentials.password_proof import prove
from apps.accounts.identity.selectors import owner_of_proof
from apps.accounts.identity.users import EmailTaken, address_of
from apps.accounts.mail import messages, queue
from apps.accounts.mail.budgets import spend
from apps.accounts.mail.links import LinkRefused, digest_of
from apps.accounts.models import Membership, Proof, ProofPurpose, User
from apps.accounts.own_account import selectors
from apps.accounts.own_account.documents import OwnDocument, own_document
from apps.accounts.people.names import folded
from apps.accounts.rights.grants import person_principal
from apps.common.access import Principal, require_own_account, require_person
from apps.common.db.scope import tenant_scope
from apps.common.http.callers.addresses import source_of
from apps.common.http.writes.etags import require_match
from apps.common.limits import Message


def read(principal: Principal) -> OwnDocument:
    """Return the caller's account and memberships, with their current permissions. Raises Forbidden.

    With a sign-in through an organization's identity provider, only the membership in that organization is returned.
    """
    require_person(principal)
    return _document(User.objects.get(pk=principal.id), principal)


def update(
    *, principal: Principal, changes: Mapping[str, str | None], if_match: str | None, now: datetime
) -> OwnDocument:
    """Change `first_name`, `last_name`, `locale`. Raises Forbidden, PreconditionFailed.

    Organizations that have not set their own display name for the person use the new name.
    """
    require_own_account(principal)
    user = users.locked(principal.id)
    require_match(if_match, _document(user, principal))
    before = user.full_name
    for field, value in changes.items():
        setattr(user, field, value)
    user.updated_at = now
    user.save(update_fields=[*changes, "updated_at"])
    unchosen = Membership.objects.filter(user_id=user.pk, name=before, trigger_only=False)
    unchosen.update(name=user.full_name, name_key=folded(user.full_name))
    users.record(
        actor=principal,
        action=AuditAction.ACCOUNT_UPDATED,
        user_id=principal.id,
        organizations=principal.grants,
        fields=", ".join(sorted(changes)),
    )
    users.announce(principal)
    return _document(user, principal)


def ask_email(*, principal: Principal, email: str, password: str, address: str, now: datetime) -> Proof:
    """Send a link to the account's new address, or to its present address if that is not confirmed yet.

    The result does not reveal whether the address has an account already: only its owner is notified. Raises
    Forbidden, NoPassword, WrongPassword, TooManyGuesses, TooManyMessages.
    """
    require_own_account(principal)
    user = User.objects.get(pk=principal.id)
    prove(user, password=password, principal=principal, address=address)
    for organization in principal.grants:
        spend(Message.NEW_ADDRESS, school=str(organization))
    spend(Message.NEW_ADDRESS, source=source_of(address), recipient=email)
    value = None if email == user.email else email
    proof = proofs.ask(user=user, purpose=ProofPurpose.EMAIL, value=value, now=now)
    users.record(
        actor=principal, action=AuditAction.ACCOUNT_EMAIL_ASKED, user_id=principal.id, organizations=principal.grants
    )
    return proof


def verify_email(*, token: str, now: datetime) -> None:
    """Set the address that this link was sent to as the account's, and notify the old one.

    Opens its own transaction. Raises LinkRefused, EmailTaken.
    """
    owner = owner_of_proof(digest_of(token))
    principal = person_principal(owner, now=now) if owner else None
    if principal is None:
        raise LinkRefused()
    with tenant_scope(principal.grants):
        proof = proofs.redeem(token=token, purpose=ProofPurpose.EMAIL, now=now)
        user = users.locked(principal.id)
        before = address_of(user)
        user.email, user.email_verified, user.updated_at = proof.value or user.email, True, now
        try:
            with transaction.atomic():
                user.save(update_fields=["email", "email_verified", "updated_at"])
        except IntegrityError:
            raise EmailTaken() from None
        if proof.value is not None:
            Proof.objects.filter(user=user, purpose=ProofPurpose.PASSWORD).delete()
            if before is not None:
                queue.after_commit("tell_email_changed", before)
        action = AuditAction.ACCOUNT_EMAIL_VERIFIED if proof.value is None else AuditAction.ACCOUNT_EMAIL_CHANGED
        users.record(actor=principal, action=action, user_id=principal.id, organizations=principal.grants)
        users.announce(principal)


def ask_phone(*, principal: Principal, phone: str, now: datetime) -> Proof:
    """Send a code to the account's new number. Raises Forbidden, SmsNotConfigured, TooManyMessages."""
    require_own_account(principal)
    messages.sms_sender()
    for organization in principal.grants:
        spend(Message.PHONE_CODE, school=str(organization))
    spend(Message.PHONE_CODE, recipient=phone)
    user = User.objects.get(pk=principal.id)
    proof = proofs.ask(user=user, purpose=ProofPurpose.PHONE, value=phone, now=now)
    users.record(
        actor=principal, action=AuditAction.ACCOUNT_PHONE_ASKED, user_id=principal.id, organizations=principal.grants
    )
    return proof


def verify_phone(*, principal: Principal, verification: UUID, code: str, now: datetime) -> None:
    """Set the number that this code was sent to as the account's.

    Opens its own transaction, so that a wrong code counts. Raises Forbidden, LinkRefused, WrongCode.
    """
    require_own_account(principal)
    with tenant_scope(principal.grants):
        user = users.locked(principal.id)
        proof = proofs.redeem_number(user=user, verification=verification, code=code, now=now)
        if isinstance(proof, Proof):
            _set_phone(user, proof.value, principal, AuditAction.ACCOUNT_PHONE_CHANGED, now)
    if not isinstance(proof, Proof):
        raise proof


def remove_phone(*, principal: Principal, now: datetime) -> None:
    """Remove the account's number; do nothing if it has none. Raises Forbidden."""
    require_own_account(principal)
    user = users.locked(principal.id)
    if user.phone is not None:
        _set_phone(user, None, principal, AuditAction.ACCOUNT_PHONE_REMOVED, now)


def _set_phone(user: User, phone: str | None, principal: Principal, action: AuditAction, now: datetime) -> None:
    user.phone, user.phone_verified, user.updated_at = phone, phone is not None, now
    user.save(update_fields=["phone", "phone_verified", "updated_at"])
    users.record(actor=principal, action=action, user_id=principal.id, organizations=principal.grants)
    users.announce(principal)


def _document(user: User, principal: Principal) -> OwnDocument:
    memberships = selectors.own_memberships(principal)
    return own_document(user, principal, memberships, selectors.own_places(principal.id))
