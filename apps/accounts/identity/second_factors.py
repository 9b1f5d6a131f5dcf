"""Second factors: setting them up and taking them away, and the second step of a sign-in.

Who changes them shows their password once more (`confirm`): a token or an open screen is not enough.
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
from apps.accounts.identity import authenticators, users
from apps.accounts.identity.authenticators import BadPasskey
from apps.accounts.identity.credentials.password_proof import WrongPassword
from apps.accounts.identity.credentials.throttle import SECOND_FACTOR, LoginThrottle, device_for
from apps.accounts.mail import links, queue
from apps.accounts.mail.links import digest_of
from apps.accounts.models import SignInChallenge, User, UserStatus
from apps.accounts.rights.grants import person_principal
from apps.common.access import SYSTEM, Principal, PrincipalKind, require_own_account
from apps.common.db.scope import tenant_scope
from apps.common.encryption import NotSealed, seal, unseal_fresh
from apps.common.http.known_devices import KnownDevice
from apps.common.problems import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from apps.tenancy.organization_settings import OrganizationSettings

logger = logging.getLogger(__name__)

CHALLENGE_LIFETIME: Final = timedelta(minutes=5)
ATTEMPTS: Final = 5
"""Wrong codes for one challenge."""
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
    """A wrong code, one that was used before, a passkey of somebody else, or a challenge that is over."""

    code = "second_factor_refused"
    default_detail = "This is not the right code or passkey, or it took too long: try again, or sign in anew."


class ConfirmationRequired(Forbidden):
    """What protects an account is changed only by who has just shown its password: send `X-Confirmation`."""

    code = "confirmation_required"
    default_detail = "Confirm your password first (POST /api/v1/me/confirmation), then try again."


class SecondFactorExists(Conflict):
    """There is an authenticator app already, or as many passkeys as there can be."""

    code = "second_factor_exists"
    default_detail = "There is one already: remove it first."


class OwnSecondFactorFirst(Conflict):
    """Who asks the administrators of an organization for a second factor has one, or would lock themselves out."""

    code = "own_second_factor_first"
    default_detail = "Set up a second factor of your own first, at /account/second-factor/, or you lock yourself out."


class Enrolment(msgspec.Struct, frozen=True):
    """An authenticator app about to be set up: scan `address` as a QR code, then send a code with `enrolment`."""

    enrolment: str
    secret: str
    address: str


class Caller(TypedDict):
    """Who asks for a change, and what shows that they know the password."""

    principal: Principal
    confirmation: str | None
    now: datetime


class _Pending(msgspec.Struct, frozen=True):
    """What is sealed between the two steps of setting one up."""

    user: UUID
    value: str


def demand(*, user: User, now: datetime) -> None:
    """Stop a sign-in whose password was right until its second factor comes. Opens its own transaction.

    Raises SecondFactorRequired; nothing where the account has no second factor. How many there may be is bounded by
    the throttle of the sign-in, which counts until the second factor has come.
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
    """Whose challenge this is, and whether it was answered rightly, which uses it up. Opens its own transaction.

    A wrong answer is told, not raised, because what it writes must be committed. Raises TooManyGuesses.
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
        right = pending.user.is_active and _proved(own, pending, code, passkey, now)
        if right:
            throttle.clear()
            SignInChallenge.objects.filter(user=pending.user).delete()
    return pending.user, right


def confirm(*, principal: Principal, password: str, address: str, now: datetime) -> str:
    """What shows for CONFIRMED_FOR that the caller knows the account's password. Raises WrongPassword, TooManyGuesses,
    Forbidden.
    """
    user = _own(principal)
    throttle = LoginThrottle(account=user.email, address=address, device=str(principal.sign_in))
    throttle.hit()
    if not user.password or not user.check_password(password):
        raise WrongPassword("password")
    throttle.clear()
    return _sealed(user, "", CONFIRMATION, now)


def require_own_before_asking(actor: Principal, before: OrganizationSettings, after: OrganizationSettings) -> None:
    """Hold a change that asks administrators for a second factor to a person who has one. Raises OwnSecondFactorFirst.

    Who comes by a school's own sign-in showed it there.
    """
    asks = after.mfa_required_for_admins and not before.mfa_required_for_admins
    if not asks or actor.kind is not PrincipalKind.PERSON or actor.only is not None:
        return
    if not _methods(authenticators.of_user(User.objects.get(pk=actor.id))):
        raise OwnSecondFactorFirst()


def start_totp(*, principal: Principal, confirmation: str | None, now: datetime) -> Enrolment:
    """A new secret for an authenticator app; nothing is kept before `finish_totp`.

    Raises ConfirmationRequired, SecondFactorExists.
    """
    user = _confirmed(principal, confirmation, now)
    _require_no_totp(user)
    secret = generate_totp_secret()
    return Enrolment(_sealed(user, secret, TOTP, now), secret, authenticators.totp_address(user, secret))


def begun_totp(*, principal: Principal, enrolment: str, now: datetime) -> Enrolment | None:
    """What `start_totp` gave the caller, to show it again after a wrong code; None once it is too old."""
    user = _own(principal)
    secret = _opened(user, enrolment, TOTP, SET_UP_WITHIN, now)
    return None if secret is None else Enrolment(enrolment, secret, authenticators.totp_address(user, secret))


def finish_totp(*, principal: Principal, enrolment: str, code: str, now: datetime) -> list[str]:
    """Keep the secret, once the app has shown a code of it. The account's first recovery codes, if these are they.

    Raises Invalid, SecondFactorExists.
    """
    user = _own(principal)
    secret = _opened(user, enrolment, TOTP, SET_UP_WITHIN, now)
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
    """The authenticator app counts no more. Raises ConfirmationRequired, NotFound."""
    _remove(principal, confirmation, now, "totp", type=Authenticator.Type.TOTP)


def start_passkey(*, principal: Principal, confirmation: str | None, now: datetime) -> tuple[str, dict[str, object]]:
    """What `finish_passkey` wants back, and the creation options for browser or phone.

    Raises ConfirmationRequired, SecondFactorExists.
    """
    user = _confirmed(principal, confirmation, now)
    if len(authenticators.of_user(user)) > MOST_PASSKEYS:
        raise SecondFactorExists(f"More than {MOST_PASSKEYS} second factors are of no use: remove one first.")
    options, state = authenticators.passkey_options(user)
    return _sealed(user, msgspec.json.encode(state).decode(), PASSKEY, now), options


def finish_passkey(
    *, principal: Principal, enrolment: str, name: str, credential: dict[str, Any], now: datetime
) -> tuple[Any, list[str]]:
    """Keep a passkey; with the account's first recovery codes, if these are they. Raises Invalid."""
    user = _own(principal)
    state = _opened(user, enrolment, PASSKEY, CHALLENGE_LIFETIME, now)
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
    """This passkey counts no more. Raises ConfirmationRequired, NotFound."""
    _remove(principal, confirmation, now, "passkey", type=Authenticator.Type.WEBAUTHN, pk=passkey_id)


def renew_recovery_codes(*, principal: Principal, confirmation: str | None, now: datetime) -> list[str]:
    """New recovery codes; those before count no more. Raises ConfirmationRequired, NotFound (no second factor)."""
    user = _confirmed(principal, confirmation, now)
    _locked(user.pk)
    if not _methods(authenticators.of_user(user)):
        raise NotFound()
    codes = authenticators.new_recovery_codes(user)
    _record(principal, user, AuditAction.SECOND_FACTOR_RECOVERY_CODES, "recovery_code")
    return codes


def reset(*, user: User, reason: str, now: datetime) -> int:
    """Take all second factors from somebody who lost theirs: how many there were. By a command only, and in the trail.

    Sign-ins that wait for one end, too. Opens its own transaction.
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


def _proved(
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
    """How the person may answer a challenge; recovery codes only stand in for another."""
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
    """The caller's own account. Raises Forbidden where it is not the caller's to change."""
    require_own_account(principal)
    return User.objects.get(pk=principal.id, status=UserStatus.ACTIVE)


def _confirmed(principal: Principal, confirmation: str | None, now: datetime) -> User:
    user = _own(principal)
    if confirmation is None or _opened(user, confirmation, CONFIRMATION, CONFIRMED_FOR, now) is None:
        raise ConfirmationRequired()
    return user


def _locked(user_id: UUID) -> None:
    """One change at a time of what protects an account."""
    User.objects.select_for_update(no_key=True).get(pk=user_id)


def _sealed(user: User, value: str, purpose: str, now: datetime) -> str:
    return seal(msgspec.json.encode(_Pending(user.pk, value)).decode(), purpose=purpose, now=now)


def _opened(user: User, sealed: str, purpose: str, within: timedelta, now: datetime) -> str | None:
    """What was sealed for this person a short while ago; None for anything else."""
    try:
        pending = msgspec.json.decode(unseal_fresh(sealed, purpose=purpose, within=within, now=now), type=_Pending)
    except NotSealed:
        return None
    return pending.value if pending.user == user.pk else None


def _record(principal: Principal, user: User, action: AuditAction, factor: str) -> None:
    """In the audit trail, and in an e-mail to the account's owner."""
    users.record(actor=principal, action=action, user_id=user.pk, organizations=principal.grants, factor=factor)
    queue.after_commit("tell_second_factor_changed", user.email)
