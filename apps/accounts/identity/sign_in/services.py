"""Signing in and out.

A sign-in is a row and ends when the row is deleted: every entry point checks for it. Functions for anonymous callers
open their own transactions, so that the writes of a refusal are committed although the response is an error.
"""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import authenticate as check_credentials
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from apps.accounts.audit_actions import AuditAction
from apps.accounts.identity import last_use, proofs, users
from apps.accounts.identity.credentials.throttle import LoginThrottle, device_for
from apps.accounts.identity.documents import TokenPairDocument
from apps.accounts.identity.keys import tokens
from apps.accounts.identity.keys.signing_keys import base64url
from apps.accounts.identity.second_factors import services as second_factors
from apps.accounts.identity.second_factors.services import SecondFactorRefused
from apps.accounts.identity.selectors import own_sign_ins, presented_refresh_token, user_by_email
from apps.accounts.identity.users import address_of
from apps.accounts.models import RefreshToken, SignIn, SignInKind, User
from apps.accounts.rights.grants import person_principal
from apps.common import audit
from apps.common.access import ANONYMOUS, Principal, PrincipalKind, require_person
from apps.common.db.scope import tenant_scope
from apps.common.http.callers.known_devices import KnownDevice
from apps.common.problems import NotFound, Unauthenticated

REUSE_GRACE = timedelta(seconds=60)
"""A refresh token that is reused within this time indicates a lost response; later reuse indicates theft."""
UNKNOWN_DEVICE = "Unknown device"


class WrongCredentials(Unauthenticated):
    """Unknown e-mail, wrong password or inactive person; the response is the same for all three."""

    code = "wrong_credentials"
    default_detail = "E-mail or password is wrong."


class RefreshRefused(Unauthenticated):
    """The refresh token is unknown, expired or revoked, or its owner is not active."""

    code = "refresh_refused"
    default_detail = "This refresh token is not valid (any more): sign in again."


class RefreshReused(RefreshRefused):
    """A refresh token was used again after its successor was issued: it may have been stolen."""

    code = "refresh_reused"
    default_detail = "This refresh token was used before: for safety this sign-in has ended. Sign in again."


def authenticate(*, email: str, password: str, address: str, known: KnownDevice | None = None) -> User:
    """Return the person with these credentials, for Django's `login()`. Every outcome is audited.

    `known` is the device, if it has signed in before. Raises WrongCredentials, TooManyGuesses, or SecondFactorRequired
    (continue with `authenticate_further`; until then the attempt counts as wrong). Opens its own transaction.
    """
    throttle = LoginThrottle(account=email, address=address, device=device_for(email, known))
    throttle.hit()
    user = check_credentials(email=email, password=password)
    if not isinstance(user, User):
        named = user_by_email(email)
        _audit(named.id if named else None, action=AuditAction.AUTH_LOGIN, outcome=audit.REFUSED)
        raise WrongCredentials()
    second_factors.demand(user=user, now=timezone.now())
    throttle.clear()
    _audit(user.id, action=AuditAction.AUTH_LOGIN, outcome=audit.DONE)
    return user


def authenticate_further(
    *,
    challenge: str,
    code: str | None,
    passkey: dict[str, Any] | None,
    address: str,
    known: KnownDevice | None = None,
    now: datetime | None = None,
) -> User:
    """Return the person who answered the challenge of their second factor, for Django's `login()`.

    Raises SecondFactorRefused, TooManyGuesses. Opens its own transaction.
    """
    user, right = second_factors.answer(
        challenge=challenge, code=code, passkey=passkey, address=address, known=known, now=now or timezone.now()
    )
    if user is None or not right:
        _audit(user.id if user else None, action=AuditAction.AUTH_SECOND_FACTOR, outcome=audit.REFUSED)
        raise SecondFactorRefused()
    LoginThrottle(account=user.email, address=address, device=device_for(user.email, known)).clear()
    _audit(user.id, action=AuditAction.AUTH_LOGIN, outcome=audit.DONE)
    return user


def login(
    *,
    email: str,
    password: str,
    address: str,
    device: str = UNKNOWN_DEVICE,
    known: KnownDevice | None = None,
    now: datetime | None = None,
) -> TokenPairDocument:
    """Sign in with e-mail and password: a new family of refresh tokens. Raises the same errors as `authenticate`."""
    user = authenticate(email=email, password=password, address=address, known=known)
    return begin(user=user, address=address, device=device, now=now or timezone.now())


def login_further(
    *,
    challenge: str,
    code: str | None,
    passkey: dict[str, Any] | None,
    address: str,
    device: str = UNKNOWN_DEVICE,
    known: KnownDevice | None = None,
    now: datetime | None = None,
) -> tuple[TokenPairDocument, User]:
    """Complete `login` with the second factor; also returns the user. Raises the same errors as
    `authenticate_further`.
    """
    user = authenticate_further(challenge=challenge, code=code, passkey=passkey, address=address, known=known, now=now)
    return begin(user=user, address=address, device=device, now=now or timezone.now()), user


def login_for_the_day(
    *, code: str, address: str, device: str = UNKNOWN_DEVICE, now: datetime | None = None
) -> TokenPairDocument:
    """Sign in with the code of a day account, which works once; the sign-in ends with the day account.

    Raises LinkRefused. Opens its own transactions. Wrong codes are not counted: 60 bits cannot be guessed, and a limit
    would lock out all substitutes in a building as soon as one person there guesses.
    """
    now = now or timezone.now()
    with transaction.atomic():
        proof = proofs.redeem_code(code=code, now=now)
        pair = begin(user=proof.user, address=address, device=device, now=now, until=proof.expires_at)
    _audit(proof.user_id, action=AuditAction.AUTH_LOGIN, outcome=audit.DONE)
    return pair


def begin(
    *,
    user: User,
    now: datetime,
    address: str = "",
    device: str = UNKNOWN_DEVICE,
    only: UUID | None = None,
    until: datetime | None = None,
) -> TokenPairDocument:
    """Return the first pair of tokens of a new sign-in, after all factors were checked; with `only`, limited to that
    organization.

    With `until`, it ends at that time, even if it is renewed. Opens its own transaction. Raises WrongCredentials.
    """
    refresh_token = secrets.token_urlsafe(32)
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(last_login=now)
        begun = new_sign_in(
            user=user,
            kind=SignInKind.APP,
            device=device,
            address=address,
            lifetime=until - now if until else timedelta(days=settings.REFRESH_TOKEN_DAYS),
            now=now,
            only=only,
        )
        _store(refresh_token, sign_in=begun, now=now)
        principal = person_principal(user.id, sign_in=begun.id, now=now)
        if principal is None:
            raise WrongCredentials()
    return _pair(user, principal, refresh_token, now)


def new_sign_in(
    *,
    user: User,
    kind: SignInKind,
    device: str,
    address: str,
    lifetime: timedelta,
    now: datetime,
    only: UUID | None = None,
) -> SignIn:
    """Create a sign-in for an authenticated person, in the caller's transaction.

    It ends after `lifetime`, and never later than `longest_of` allows.
    """
    lifetime = min(lifetime, longest_of(user, kind, only))
    RefreshToken.objects.filter(user=user, expires_at__lt=now).delete()
    SignIn.objects.filter(user=user, expires_at__lt=now).delete()
    begun = SignIn.objects.create(
        user=user,
        kind=kind,
        only_organization=only,
        device=device,
        address=address or None,
        created_at=now,
        used_at=now,
        expires_at=now + lifetime,
    )
    last_use.written(begun.id)
    return begun


def longest_of(user: User, kind: str, only: UUID | None) -> timedelta:
    """Return the maximum lifetime of a sign-in, regardless of use. No other code defines it.

    A school's own sign-in never gives the rights of a super admin.
    """
    if user.is_super_admin and only is None:
        return timedelta(hours=settings.OPERATOR_SIGN_IN_HOURS)
    if kind == SignInKind.APP:
        return timedelta(days=settings.APP_SIGN_IN_DAYS)
    return timedelta(seconds=settings.SESSION_COOKIE_AGE)


def refresh(*, token: str, address: str = "", now: datetime | None = None) -> TokenPairDocument:
    """Exchange a refresh token, which can be used once, for a new pair of tokens.

    Reuse within REUSE_GRACE returns the same successor; later reuse ends the whole family.
    Raises RefreshRefused.
    """
    now = now or timezone.now()
    presented = presented_refresh_token(_digest(token))
    principal = person_principal(presented.user_id, sign_in=presented.family_id, now=now) if presented else None
    if principal is None:
        raise RefreshRefused()
    with tenant_scope(principal.grants):
        user = _lock(principal.id)
        refused = _rotate(token, user, principal, address, now)
    if refused:
        raise refused
    return _pair(user, principal, _successor(token), now)


def logout(*, token: str) -> None:
    """End the sign-in of this refresh token. An unknown token is not an error: its sign-in has ended already."""
    presented = presented_refresh_token(_digest(token))
    if presented is None:
        return
    principal = person_principal(presented.user_id, only=presented.family.only_organization)
    with tenant_scope(principal.grants if principal else ()):
        _lock(presented.user_id)
        if _end(SignIn.objects.filter(pk=presented.family_id)):
            _record(presented.user_id, principal, action=AuditAction.AUTH_LOGOUT, outcome=audit.DONE)


def end(*, principal: Principal, sign_in: UUID) -> None:
    """End one of the caller's own sign-ins, possibly the current one; with a school's sign-in, one of that school's.

    Raises Forbidden, NotFound.
    """
    require_person(principal)
    _lock(principal.id)
    if not _end(own_sign_ins(principal).filter(pk=sign_in)):
        raise NotFound()
    _record(principal.id, principal, action=AuditAction.AUTH_LOGOUT, outcome=audit.DONE)


def end_all(*, principal: Principal, now: datetime) -> None:
    """End all sign-ins of the caller, including this one; with a school's, only that school's. Raises Forbidden."""
    require_person(principal)
    _lock(principal.id)
    _end(own_sign_ins(principal).filter(expires_at__gt=now))
    _record(principal.id, principal, action=AuditAction.AUTH_LOGOUT_ALL, outcome=audit.DONE)


def end_sign_ins(user_id: UUID, *, except_family: UUID | None = None, now: datetime) -> int:
    """End all sign-ins of a person, except `except_family` if given; return how many. In the caller's transaction.

    For events that invalidate credentials: a new password, a lost phone, a closed account.
    """
    _lock(user_id)
    living = SignIn.objects.filter(user_id=user_id, expires_at__gt=now)
    return _end(living if except_family is None else living.exclude(pk=except_family))


def _rotate(token: str, user: User, principal: Principal, address: str, now: datetime) -> RefreshRefused | None:
    """Replace the presented token. A refusal is returned, not raised, because its writes must be committed."""
    presented = RefreshToken.objects.select_related("family").filter(digest=_digest(token), user=user).first()
    if presented is None or presented.expires_at <= now or _end_of(presented.family, user) <= now:
        return RefreshRefused()
    if presented.used_at is None:
        presented.used_at = now
        presented.save(update_fields=["used_at"])
        _prolong(presented.family, user, address, now)
        _store(_successor(token), sign_in=presented.family, now=now)
    elif now - presented.used_at > REUSE_GRACE:
        _end(SignIn.objects.filter(pk=presented.family_id))
        _record(user.id, principal, action=AuditAction.AUTH_REFRESH_REUSED, outcome=audit.REFUSED)
        return RefreshReused()
    return None


def _prolong(sign_in: SignIn, user: User, address: str, now: datetime) -> None:
    """Extend a sign-in that is in use, up to its maximum. A day account has no address, and its end is fixed."""
    sign_in.used_at = now
    sign_in.address = address or sign_in.address
    if address_of(user) is not None:
        sign_in.expires_at = min(now + timedelta(days=settings.REFRESH_TOKEN_DAYS), _end_of(sign_in, user))
    sign_in.save(update_fields=["used_at", "address", "expires_at"])


def _end_of(sign_in: SignIn, user: User) -> datetime:
    """Return the latest end of a sign-in, regardless of use."""
    return sign_in.created_at + longest_of(user, sign_in.kind, sign_in.only_organization)


def _end(sign_ins: QuerySet[SignIn]) -> int:
    """Delete these sign-ins; return how many there were."""
    _, deleted = sign_ins.delete()
    return deleted.get(SignIn._meta.label, 0)


def _lock(user_id: UUID) -> User:
    """Lock a person's sign-ins, so that no successor is issued while its family is revoked."""
    return User.objects.select_for_update(no_key=True).get(pk=user_id)


def _store(token: str, *, sign_in: SignIn, now: datetime) -> None:
    RefreshToken.objects.create(
        family=sign_in,
        user_id=sign_in.user_id,
        digest=_digest(token),
        created_at=now,
        expires_at=sign_in.expires_at,
    )


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _successor(token: str) -> str:
    """Derive the only successor of a token, so that it can be returned twice without storing a secret."""
    return base64url(salted_hmac("safesignal.refresh", token, algorithm="sha256").digest())


def _pair(user: User, principal: Principal, refresh_token: str, now: datetime) -> TokenPairDocument:
    organizations = [{"id": str(grant.organization_id), "role": grant.role} for grant in principal.grants.values()]
    access = tokens.mint(
        kind=PrincipalKind.PERSON,
        subject=user.id,
        claims={"sid": str(principal.sign_in), "email": user.email, "organizations": organizations},
        lifetime=timedelta(seconds=settings.ACCESS_TOKEN_SECONDS),
        now=now,
    )
    return TokenPairDocument(access=access, refresh=refresh_token, expires_in=settings.ACCESS_TOKEN_SECONDS)


def _audit(user_id: UUID | None, *, action: AuditAction, outcome: str) -> None:
    """Call `_record` in a separate transaction."""
    principal = person_principal(user_id) if user_id else None
    with tenant_scope(principal.grants if principal else ()):
        _record(user_id, principal, action=action, outcome=outcome)


def _record(user_id: UUID | None, principal: Principal | None, *, action: AuditAction, outcome: str) -> None:
    """Record the outcome. A refused caller is not recorded as the actor, since they may not be this user."""
    users.record(
        actor=principal if principal and outcome == audit.DONE else ANONYMOUS,
        action=action,
        user_id=user_id,
        organizations=principal.grants if principal else (),
        outcome=outcome,
    )
