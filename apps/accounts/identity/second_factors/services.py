"""Second factors: adding and removing them, and the second step of a sign-in.

Changing them requires the password again (`confirm`): a token or an unlocked screen is not enough.
"""

import logging
from datetime import datetime, timedelta
from typing import Any, Final, TypedDict
from uuid import UUID

import msgspec
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import generate_totp_secret
from django.db import transaction

from apps.accounts.audit_actions import AuditAction
from apps.accounts.identity import users
from apps.accounts.identity.credentials.password_proof import WrongPassword
from apps.accounts.identity.credentials.throttle import SECOND_FACTOR, LoginThrottle, device_for
from apps.accounts.identity.documents import EnrolmentDocument
from apps.accounts.identity.second_factors import authenticators
from apps.accounts.identity.second_factors.authenticators import BadPasskey
from apps.accounts.mail import links, queue
from apps.accounts.mail.links import digest_of
from apps.accounts.models import SignInChallenge, User, UserStatus
from apps.accounts.rights.grants import person_principal
from apps.common.access import SYSTEM, Principal, PrincipalKind, require_own_account
from apps.common.db.scope import tenant_scope
from apps.common.encryption import CannotDecrypt, decrypt_recent, encrypt
from apps.common.http.callers.known_devices import KnownDevice
from apps.common.problems import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from apps.tenancy.organizations.organization_settings import OrganizationSettings

logger = logging.getLogger(__name__)

CHALLENGE_LIFETIME: Final = timedelta(minutes=5)
ATTEMPTS: Final = 5
"""Maximum number of wrong codes for one challenge."""
SET_UP_WITHIN: Final = timedelta(minutes=15)
CONFIRMED_FOR: Final = timedelta(minutes=10)
CONFIRMATION: Final = "confirmation"
TOTP: Final = "totp_enrolment"
PASSKEY: Final = "passkey_enrolment"
MOST_PASSKEYS: Final = 20


class SecondFactorRequired(Unauthenticated):
    """The password is right, and the account has a second factor: answer `challenge` at /auth/login/second-factor with
    one of `methods`. `passkey` holds the request options for the person's passkeys.
    """

    code = "second_factor_required"
    default_detail = "This account asks for a second factor: a code, a recovery code or a passkey."

    def __init__(self, *, challenge: str, methods: list[str], passkey: dict[str, object] | None) -> None:
        seconds = int(CHALLENGE_LIFETIME.total_seconds())
        super().__init__(challenge=challenge, methods=methods, passkey=passkey, expires_in=seconds)
        self.challenge = challenge


class SecondFactorRefused(Unauthenticated):
    """A wrong or used code, a passkey of another person, or an expired challenge."""

    code = "second_factor_refused"
    default_detail = "This is not the right code or passkey, or it took too long: try again, or sign in anew."


class ConfirmationRequired(Forbidden):
    """Changing the second factors of an account requires its password: send `X-Confirmation`."""

    code = "confirmation_required"
    default_detail = "Confirm your password first (POST /api/v1/me/confirmation), then try again."


class SecondFactorExists(Conflict):
    """The account has an authenticator app already, or the maximum number of passkeys."""

    code = "second_factor_exists"
    default_detail = "There is one already: remove it first."


class OwnSecondFactorFirst(Conflict):
    """An administrator needs a second factor of their own before requiring one of all administrators."""

    code = "own_second_factor_first"
    default_detail = "Set up a second factor of your own first, at /account/second-factor/, or you lock yourself out."


class Caller(TypedDict):
    """The caller of a change, and their confirmation of the password."""

    principal: Principal
    confirmation: str | None
    now: datetime


class _Pending(msgspec.Struct, frozen=True):
    """Encrypted state between the two steps of adding a second factor."""

    user: UUID
    value: str


def demand(*, user: User, now: datetime) -> None:
    """Require the second factor after a correct password. Opens its own transaction.

    Raises SecondFactorRequired if the account has a second factor. The throttle of the sign-in limits the number of
    challenges: each attempt counts until the second factor is accepted.
    """
    own = authenticators.of_user(user)
    methods = _methods(own)
    if not methods:
        return
    secret = links.new_secret()
    asked = authenticators.challenge(own)
    with transaction.atomic():
        _locked(user.pk)
        SignInChallenge.objects.filter(user=user, expires_at__lt=now).delete()
        SignInChallenge.objects.create(
            user=user,
            digest=digest_of(secret),
            passkey_state=asked[1] if asked else None,
            created_at=now,
            expires_at=now + CHALLENGE_LIFETIME,
        )
    raise SecondFactorRequired(challenge=secret, methods=methods, passkey=asked[0] if asked else None)


def answer(
    *,
    challenge: str,
    code: str | None,
    passkey: dict[str, Any] | None,
    address: str,
    now: datetime,
    known: KnownDevice | None = None,
) -> tuple[User | None, bool]:
    """Return the user of a challenge and whether the answer is correct, which consumes it. Opens its own transaction.

    A wrong answer is returned, not raised, because its writes must be committed. Raises TooManyGuesses.
    """
    with transaction.atomic():
        pending = (
            SignInChallenge.objects.select_for_update(of=["self"])
            .select_related("user")
            .filter(digest=digest_of(challenge), expires_at__gt=now, attempts__lt=ATTEMPTS)
            .first()
        )
        if pending is None:
            return None, False
        throttle = LoginThrottle(
            account=str(pending.user_id),
            address=address,
            device=device_for(pending.user.email, known),
            limits=SECOND_FACTOR,
        )
        throttle.hit()
        pending.attempts += 1
        pending.save(update_fields=["attempts"])
        own = authenticators.of_user(pending.user, lock=True)
        right = pending.user.is_active and _is_right(own, pending, code, passkey, now)
        if right:
            throttle.clear()
            SignInChallenge.objects.filter(user=pending.user).delete()
    return pending.user, right


def confirm(*, principal: Principal, password: str, address: str, now: datetime) -> str:
    """Check the account's password and return a confirmation that is valid for CONFIRMED_FOR. Raises WrongPassword,
    TooManyGuesses, Forbidden.
    """
    user = _own(principal)
    throttle = LoginThrottle(account=user.email, address=address, device=str(principal.sign_in))
    throttle.hit()
    if not user.password or not user.check_password(password):
        raise WrongPassword("password")
    throttle.clear()
    return _encrypted(user, "", CONFIRMATION, now)


def require_own_before_asking(actor: Principal, before: OrganizationSettings, after: OrganizationSettings) -> None:
    """Allow requiring a second factor of administrators only to a person who has one. Raises OwnSecondFactorFirst.

    A person who came through a school's own sign-in was asked for it there.
    """
    asks = after.mfa_required_for_admins and not before.mfa_required_for_admins
    if not asks or actor.kind is not PrincipalKind.PERSON or actor.only is not None:
        return
    if not _methods(authenticators.of_user(User.objects.get(pk=actor.id))):
        raise OwnSecondFactorFirst()


def start_totp(*, principal: Principal, confirmation: str | None, now: datetime) -> EnrolmentDocument:
    """Return a new secret for an authenticator app; nothing is stored before `finish_totp`.

    Raises ConfirmationRequired, SecondFactorExists.
    """
    user = _confirmed(principal, confirmation, now)
    _require_no_totp(user)
    secret = generate_totp_secret()
    return EnrolmentDocument(_encrypted(user, secret, TOTP, now), secret, authenticators.totp_address(user, secret))


def begun_totp(*, principal: Principal, enrolment: str, now: datetime) -> EnrolmentDocument | None:
    """Return the result of `start_totp` again after a wrong code; None once it has expired."""
    user = _own(principal)
    secret = _decrypted(user, enrolment, TOTP, SET_UP_WITHIN, now)
    return None if secret is None else EnrolmentDocument(enrolment, secret, authenticators.totp_address(user, secret))


def finish_totp(*, principal: Principal, enrolment: str, code: str, now: datetime) -> list[str]:
    """Store the secret after a correct code. Returns the account's first recovery codes, otherwise an empty list.

    Raises Invalid, SecondFactorExists.
    """
    user = _own(principal)
    secret = _decrypted(user, enrolment, TOTP, SET_UP_WITHIN, now)
    if secret is None:
        raise Invalid(errors={"enrolment": ["Unknown, or started too long ago."]})
    step = authenticators.totp_step(secret, code, now)
    if step is None:
        raise Invalid(errors={"code": ["Not the code that the app shows now."]})
    _locked(user.pk)
    _require_no_totp(user)
    authenticators.add_totp(user, secret, step)
    return _added(principal, user, "totp")


def remove_totp(*, principal: Principal, confirmation: str | None, now: datetime) -> None:
    """Remove the authenticator app. Raises ConfirmationRequired, NotFound."""
    _remove(principal, confirmation, now, "totp", type=Authenticator.Type.TOTP)


def start_passkey(*, principal: Principal, confirmation: str | None, now: datetime) -> tuple[str, dict[str, object]]:
    """Return the state for `finish_passkey`, and the creation options for the browser or phone.

    Raises ConfirmationRequired, SecondFactorExists.
    """
    user = _confirmed(principal, confirmation, now)
    if len(authenticators.of_user(user)) > MOST_PASSKEYS:
        raise SecondFactorExists(f"More than {MOST_PASSKEYS} second factors are of no use: remove one first.")
    options, state = authenticators.passkey_options(user)
    return _encrypted(user, msgspec.json.encode(state).decode(), PASSKEY, now), options


def finish_passkey(
    *, principal: Principal, enrolment: str, name: str, credential: dict[str, Any], now: datetime
) -> tuple[Any, list[str]]:
    """Store a passkey. Also returns the account's first recovery codes, otherwise an empty list. Raises Invalid."""
    user = _own(principal)
    state = _decrypted(user, enrolment, PASSKEY, CHALLENGE_LIFETIME, now)
    if state is None:
        raise Invalid(errors={"enrolment": ["Unknown, or started too long ago."]})
    _locked(user.pk)
    try:
        added = authenticators.add_passkey(user, name, msgspec.json.decode(state), credential)
    except BadPasskey as error:
        logger.info("a passkey was refused: %s", error)
        raise Invalid(errors={"credential": ["This passkey does not answer the challenge."]}) from None
    return added, _added(principal, user, "passkey")


def remove_passkey(*, principal: Principal, passkey_id: int, confirmation: str | None, now: datetime) -> None:
    """Remove the passkey. Raises ConfirmationRequired, NotFound."""
    _remove(principal, confirmation, now, "passkey", type=Authenticator.Type.WEBAUTHN, pk=passkey_id)


def renew_recovery_codes(*, principal: Principal, confirmation: str | None, now: datetime) -> list[str]:
    """Replace the recovery codes by new ones. Raises ConfirmationRequired, NotFound (no second factor)."""
    user = _confirmed(principal, confirmation, now)
    _locked(user.pk)
    if not _methods(authenticators.of_user(user)):
        raise NotFound()
    codes = authenticators.new_recovery_codes(user)
    _record(principal, user, AuditAction.SECOND_FACTOR_RECOVERY_CODES, "recovery_code")
    return codes


def reset(*, user: User, reason: str, now: datetime) -> int:
    """Remove all second factors of a person who lost them; return how many. For a command only, and audited.

    Sign-ins that wait for a second factor end, too. Opens its own transaction.
    """
    principal = person_principal(user.pk, now=now)
    organizations = principal.grants if principal else ()
    with tenant_scope(organizations):
        _locked(user.pk)
        gone: int = Authenticator.objects.filter(user_id=user.pk).delete()[0]
        SignInChallenge.objects.filter(user=user).delete()
        users.record(
            actor=SYSTEM,
            action=AuditAction.SECOND_FACTOR_RESET,
            user_id=user.pk,
            organizations=organizations,
            reason=reason,
        )
        queue.after_commit("tell_second_factor_changed", user.email)
    return gone


def _is_right(
    own: list[Any], pending: SignInChallenge, code: str | None, passkey: dict[str, Any] | None, now: datetime
) -> bool:
    if code is not None:
        return authenticators.use_code(own, code, now) is not None
    if passkey is None or pending.passkey_state is None:
        return False
    try:
        authenticators.use_passkey(own, pending.passkey_state, passkey, now)
    except BadPasskey as error:
        logger.info("a passkey was refused: %s", error)
        return False
    return True


def _methods(own: list[Any]) -> list[str]:
    """Return the ways to answer a challenge; recovery codes only replace another factor."""
    names = {
        Authenticator.Type.TOTP: "totp",
        Authenticator.Type.WEBAUTHN: "passkey",
        Authenticator.Type.RECOVERY_CODES: "recovery_code",
    }
    held = {one.type for one in own}
    return [name for kind, name in names.items() if kind in held] if held & set(authenticators.FACTORS) else []


def _added(principal: Principal, user: User, factor: str) -> list[str]:
    has_codes = any(one.type == Authenticator.Type.RECOVERY_CODES for one in authenticators.of_user(user))
    codes = [] if has_codes else authenticators.new_recovery_codes(user)
    _record(principal, user, AuditAction.SECOND_FACTOR_ADDED, factor)
    return codes


def _remove(principal: Principal, confirmation: str | None, now: datetime, factor: str, **which: object) -> None:
    user = _confirmed(principal, confirmation, now)
    _locked(user.pk)
    (gone, _) = Authenticator.objects.filter(user_id=user.pk, **which).delete()
    if not gone:
        raise NotFound()
    if not _methods(authenticators.of_user(user)):
        Authenticator.objects.filter(user_id=user.pk).delete()
    _record(principal, user, AuditAction.SECOND_FACTOR_REMOVED, factor)


def _require_no_totp(user: User) -> None:
    if any(one.type == Authenticator.Type.TOTP for one in authenticators.of_user(user)):
        raise SecondFactorExists()


def _own(principal: Principal) -> User:
    """Return the caller's own account. Raises Forbidden if the caller may not change it."""
    require_own_account(principal)
    return User.objects.get(pk=principal.id, status=UserStatus.ACTIVE)


def _confirmed(principal: Principal, confirmation: str | None, now: datetime) -> User:
    user = _own(principal)
    if confirmation is None or _decrypted(user, confirmation, CONFIRMATION, CONFIRMED_FOR, now) is None:
        raise ConfirmationRequired()
    return user


def _locked(user_id: UUID) -> None:
    """Lock an account, so that its second factors change one at a time."""
    User.objects.select_for_update(no_key=True).get(pk=user_id)


def _encrypted(user: User, value: str, purpose: str, now: datetime) -> str:
    return encrypt(msgspec.json.encode(_Pending(user.pk, value)).decode(), purpose=purpose, now=now)


def _decrypted(user: User, encrypted: str, purpose: str, within: timedelta, now: datetime) -> str | None:
    """Decrypt a value that was encrypted for this person within this time; None for anything else."""
    try:
        pending = msgspec.json.decode(decrypt_recent(encrypted, purpose=purpose, within=within, now=now), type=_Pending)
    except CannotDecrypt:
        return None
    return pending.value if pending.user == user.pk else None


def _record(principal: Principal, user: User, action: AuditAction, factor: str) -> None:
    """Record the change in the audit trail, and notify the account's owner by e-mail."""
    users.record(actor=principal, action=action, user_id=user.pk, organizations=principal.grants, factor=factor)
    queue.after_commit("tell_second_factor_changed", user.email)
