"""Proofs of ownership of an address, a number or an account: a secret is sent there, and can be returned once.

The secret is generated together with the message, so that neither the queue nor a rolled-back request contains one.
"""

import secrets
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from django.db.models import F

from apps.accounts.identity.selectors import organizations_of, user_by_email
from apps.accounts.mail import links, messages, queue
from apps.accounts.mail.budgets import TooManyMessages
from apps.accounts.mail.links import LinkRefused, digest_of, digest_of_code
from apps.accounts.models import Membership, Proof, ProofPurpose, User
from apps.common.db.scope import tenant_scope
from apps.common.limits import PROOFS
from apps.common.problems import Invalid

VALID_FOR: Final = {
    ProofPurpose.EMAIL: timedelta(days=1),
    ProofPurpose.PHONE: timedelta(minutes=10),
    ProofPurpose.PASSWORD: timedelta(hours=1),
}
ATTEMPTS: Final = 5
"""Maximum number of wrong attempts for a 6-digit code."""


class WrongCode(Invalid):
    """Not the code that was sent; `attempts_left` is the number of remaining attempts."""

    code = "wrong_code"
    default_detail = "This is not the code that was sent."

    def __init__(self, attempts_left: int) -> None:
        super().__init__(attempts_left=attempts_left, errors={"code": ["Not the code that was sent."]})


def ask(
    *, user: User, purpose: ProofPurpose, value: str | None, now: datetime, expires_at: datetime | None = None
) -> Proof:
    """Queue a secret to `value` after commit, in the caller's transaction. Raises TooManyMessages.

    Secrets that were sent stay valid, so that requests by another person do not invalidate the owner's link.
    """
    own = Proof.objects.filter(user=user, purpose=purpose)
    own.filter(expires_at__lt=now, created_at__lt=now - PROOFS.window).delete()
    if own.filter(created_at__gt=now - PROOFS.window).count() >= PROOFS.count:
        raise TooManyMessages(retry_after=PROOFS.seconds)
    proof = Proof.objects.create(
        user=user,
        purpose=purpose,
        value=value,
        created_at=now,
        expires_at=expires_at or now + VALID_FOR[purpose],
    )
    queue.after_commit("send_proof", str(proof.id))
    return proof


def redeem(*, token: str, purpose: ProofPurpose, now: datetime) -> Proof:
    """Redeem the secret of a link, and delete all others of the same person and purpose. Raises LinkRefused."""
    return _redeem(digest_of(token), purpose, now, field="token")


def redeem_code(*, code: str, now: datetime) -> Proof:
    """Redeem a sign-in code. Raises LinkRefused."""
    return _redeem(digest_of_code(code), ProofPurpose.SIGN_IN, now, field="code")


def redeem_app_code(*, code: str, now: datetime) -> Proof:
    """Redeem the code with which an app completes single sign-on. Raises LinkRefused."""
    return _redeem(digest_of(code), ProofPurpose.APP, now, field="code")


def sign_in_code(*, user: User, expires_at: datetime, now: datetime) -> str:
    """Create a code that signs in once; the caller passes it on to the user."""
    code = links.new_code()
    Proof.objects.create(
        user=user,
        purpose=ProofPurpose.SIGN_IN,
        digest=digest_of_code(code),
        created_at=now,
        expires_at=expires_at,
        sent_at=now,
    )
    return code


def redeem_number(*, user: User, verification: UUID, code: str, now: datetime) -> Proof | LinkRefused | WrongCode:
    """Redeem a person's 6-digit code.

    A refusal (unknown, expired, too many attempts, or a wrong code) is returned, not raised: the attempt must be
    counted, so the transaction must be committed.
    """
    own = Proof.objects.select_for_update().filter(user=user, purpose=ProofPurpose.PHONE)
    proof = own.filter(pk=verification, expires_at__gt=now, attempts__lt=ATTEMPTS, digest__isnull=False).first()
    if proof is None or proof.digest is None:
        return LinkRefused("verification")
    if not secrets.compare_digest(bytes(proof.digest), _digest_of_number(proof.id, code)):
        Proof.objects.filter(pk=proof.pk).update(attempts=F("attempts") + 1)
        return WrongCode(attempts_left=ATTEMPTS - proof.attempts - 1)
    Proof.objects.filter(user=user, purpose=ProofPurpose.PHONE).delete()
    return proof


def deliver(*, proof_id: UUID, now: datetime) -> None:
    """Generate the secret and send it; do nothing if the proof is gone. Raises OSError if it is not accepted."""
    owner = Proof.objects.filter(pk=proof_id).values_list("user_id", flat=True).first()
    if owner is None:
        return
    with tenant_scope(organizations_of(owner)):
        proof = (
            Proof.objects.select_for_update(of=["self"])
            .select_related("user")
            .filter(pk=proof_id, expires_at__gt=now, sent_at=None)
            .first()
        )
        if proof is None:
            return
        proof.digest, send = _message(proof)
        proof.save(update_fields=["digest"])
    send()
    Proof.objects.filter(pk=proof_id).update(sent_at=now)


def _message(proof: Proof) -> tuple[bytes | None, "partial[None]"]:
    """Return the digest of a new secret, and a callable that sends the secret."""
    to = proof.value or proof.user.email
    if proof.purpose == ProofPurpose.PHONE:
        number = f"{secrets.randbelow(10**6):06}"
        text = f"{number} is your SafeSignal code. Do not share it with anyone."
        return _digest_of_number(proof.id, number), partial(messages.sms_sender().send, to, text)
    if proof.purpose == ProofPurpose.SIGN_IN:
        code = links.new_code()
        school = Membership.objects.values_list("organization__name", flat=True).get(user_id=proof.user_id)
        email = messages.day_account(to=to, organization=school, code=code, expires_at=proof.expires_at)
        return digest_of_code(code), partial(messages.send, email)
    if proof.purpose == ProofPurpose.EMAIL and _is_taken(to, proof.user):
        return None, partial(messages.send, messages.has_account(to=to))
    secret = links.new_secret()
    write = messages.email_confirmation if proof.purpose == ProofPurpose.EMAIL else messages.password_reset
    return digest_of(secret), partial(messages.send, write(to=to, secret=secret, expires_at=proof.expires_at))


def _redeem(digest: bytes, purpose: ProofPurpose, now: datetime, *, field: str) -> Proof:
    proof = (
        Proof.objects.select_for_update(of=["self"])
        .select_related("user")
        .filter(digest=digest, purpose=purpose, expires_at__gt=now)
        .first()
    )
    if proof is None:
        raise LinkRefused(field)
    Proof.objects.filter(user=proof.user_id, purpose=purpose).delete()
    return proof


def _digest_of_number(verification: UUID, number: str) -> bytes:
    """Return the digest of a number and its verification, so that equal numbers have different digests."""
    return digest_of(f"{verification}:{number}")


def _is_taken(email: str, user: User) -> bool:
    other = user_by_email(email)
    return other is not None and other.id != user.id
