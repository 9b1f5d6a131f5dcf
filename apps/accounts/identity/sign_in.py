"""Signing in and out.

A sign-in is a row, and ends by being deleted: every entry point asks for it. Work for anonymous callers opens its own
transactions, so that what a refusal writes is committed although the response is an error.
"""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.contrib.auth import authenticate as check_credentials
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from apps.accounts.audit_actions import AuditAction
from apps.accounts.identity import last_use, proofs, second_factors, users
from apps.accounts.identity.credentials.throttle import LoginThrottle, device_for
from apps.accounts.identity.keys import tokens
from apps.accounts.identity.keys.signing_keys import base64url
from apps.accounts.identity.second_factors import SecondFactorRefused
from apps.accounts.identity.selectors import own_sign_ins, presented_refresh_token, user_by_email
from apps.accounts.identity.users import address_of
from apps.accounts.models import RefreshToken, SignIn, SignInKind, User
from apps.accounts.rights.grants import person_principal
from apps.common import audit
from apps.common.access import ANONYMOUS, Principal, PrincipalKind, require_person
from apps.common.db.scope import tenant_scope
from apps.common.http.known_devices import KnownDevice
from apps.common.problems import NotFound, Unauthenticated

REUSE_GRACE = timedelta(seconds=60)
"""A refresh token that comes again within this time is a lost answer on a bad link, later it is a theft."""
UNKNOWN_DEVICE = "Unknown device"


class WrongCredentials(Unauthenticated):
    """One answer for an unknown e-mail, a wrong password, and a person who is not active."""

    code = "wrong_credentials"
    default_detail = "E-mail or password is wrong."


class RefreshRefused(Unauthenticated):
    """The refresh token is unknown, expired or revoked, or its owner is not active."""

    code = "refresh_refused"
    default_detail = "This refresh token is not valid (any more): sign in again."


class RefreshReused(RefreshRefused):
    """A refresh token came again after its successor was given out: somebody else may have it."""

    code = "refresh_reused"
    default_detail = "This refresh token was used before: for safety this sign-in has ended. Sign in again."


class TokenPair(msgspec.Struct, frozen=True):
    """What a client gets for signing in; `expires_in` is the access token's, in seconds."""

    access: str
    refresh: str
    expires_in: int


def authenticate(*, email: str, password: str, address: str, known: KnownDevice | None = None) -> User:
    """The person with these credentials, ready for Django's `login()`. Every outcome is audited.

    `known` is the device, where somebody signed in before. Raises WrongCredentials, TooManyGuesses, or
    SecondFactorRequired (go on with `authenticate_further`; until then the try counts). Opens its own transaction.
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
    """The person who answered the challenge of their second factor, ready for Django's `login()`.

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
) -> TokenPair:
    """Sign in with e-mail and password: a new family of refresh tokens. Raises as `authenticate` does."""
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
) -> tuple[TokenPair, User]:
    """The second step of `login`, where the account has a second factor, and whose it is. Raises as
    `authenticate_further` does.
    """
    user = authenticate_further(challenge=challenge, code=code, passkey=passkey, address=address, known=known, now=now)
    return begin(user=user, address=address, device=device, now=now or timezone.now()), user


def login_for_the_day(
    *, code: str, address: str, device: str = UNKNOWN_DEVICE, now: datetime | None = None
) -> TokenPair:
    """Sign in with the code of a day account, which is used up by that; the sign-in ends with the day account.

    Raises LinkRefused. Opens its own transactions. Wrong codes are not counted: nobody guesses 60 bits, and a count
    would keep every newcomer out of a building where somebody tries.
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
) -> TokenPair:
    """The first pair of tokens of a new sign-in, for who has shown all that is asked; with `only`, for that
    organization alone.

    With `until` it ends then, however often it is renewed. Opens its own transaction. Raises WrongCredentials.
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
    """A new sign-in, for somebody who has shown who they are; in the caller's transaction.

    It is over after `lifetime`, and never later than `longest_of` allows.
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
    """After how long a sign-in is over, however often it is used: the one place that says so.

    By a school's own sign-in nobody is a super admin.
    """
    if user.is_super_admin and only is None:
        return timedelta(hours=settings.OPERATOR_SIGN_IN_HOURS)
    if kind == SignInKind.APP:
        return timedelta(days=settings.APP_SIGN_IN_DAYS)
    return timedelta(seconds=settings.SESSION_COOKIE_AGE)


def refresh(*, token: str, address: str = "", now: datetime | None = None) -> TokenPair:
    """A new pair for a refresh token, which is used up by that.

    The same token within REUSE_GRACE is given the same successor; later it ends the whole family.
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
    """End the sign-in that this refresh token belongs to. An unknown token is no error: it is signed out already."""
    presented = presented_refresh_token(_digest(token))
    if presented is None:
        return
    principal = person_principal(presented.user_id, only=presented.family.only_organization)
    with tenant_scope(principal.grants if principal else ()):
        _lock(presented.user_id)
        if _end(SignIn.objects.filter(pk=presented.family_id)):
            _record(presented.user_id, principal, action=AuditAction.AUTH_LOGOUT, outcome=audit.DONE)


def end(*, principal: Principal, sign_in: UUID) -> None:
    """End one of the caller's own sign-ins, this one or another; by a school's, one of that school's.

    Raises Forbidden, NotFound.
    """
    require_person(principal)
    _lock(principal.id)
    if not _end(own_sign_ins(principal).filter(pk=sign_in)):
        raise NotFound()
    _record(principal.id, principal, action=AuditAction.AUTH_LOGOUT, outcome=audit.DONE)


def end_all(*, principal: Principal, now: datetime) -> None:
    """End every sign-in of the caller, this one too; by a school's, those of that school. Raises Forbidden."""
    require_person(principal)
    _lock(principal.id)
    _end(own_sign_ins(principal).filter(expires_at__gt=now))
    _record(principal.id, principal, action=AuditAction.AUTH_LOGOUT_ALL, outcome=audit.DONE)


def end_sign_ins(user_id: UUID, *, except_family: UUID | None = None, now: datetime) -> int:
    """End the sign-ins of a person, all or all others than this one; how many. In the caller's transaction.

    For whatever makes a credential worthless: another password, a lost phone, an account that is closed.
    """
    _lock(user_id)
    living = SignIn.objects.filter(user_id=user_id, expires_at__gt=now)
    return _end(living if except_family is None else living.exclude(pk=except_family))


def _rotate(token: str, user: User, principal: Principal, address: str, now: datetime) -> RefreshRefused | None:
    """Use up the presented token. A refusal is returned, not raised, because what it writes must be committed."""
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
    """A sign-in that is used goes on, up to its end; a day account has no address, and ends when it was said to."""
    sign_in.used_at = now
    sign_in.address = address or sign_in.address
    if address_of(user) is not None:
        sign_in.expires_at = min(now + timedelta(days=settings.REFRESH_TOKEN_DAYS), _end_of(sign_in, user))
    sign_in.save(update_fields=["used_at", "address", "expires_at"])


def _end_of(sign_in: SignIn, user: User) -> datetime:
    """When it is over, however often it is used."""
    return sign_in.created_at + longest_of(user, sign_in.kind, sign_in.only_organization)


def _end(sign_ins: QuerySet[SignIn]) -> int:
    """How many were there."""
    _, deleted = sign_ins.delete()
    return deleted.get(SignIn._meta.label, 0)


def _lock(user_id: UUID) -> User:
    """One change at a time of a person's sign-ins, so that no successor is born while its family is revoked."""
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
    """The one token that follows this one: the same answer can be given twice, and nothing secret is stored for it."""
    return base64url(salted_hmac("safesignal.refresh", token, algorithm="sha256").digest())


def _pair(user: User, principal: Principal, refresh_token: str, now: datetime) -> TokenPair:
    organizations = [{"id": str(grant.organization_id), "role": grant.role} for grant in principal.grants.values()]
    access = tokens.mint(
        kind=PrincipalKind.PERSON,
        subject=user.id,
        claims={"sid": str(principal.sign_in), "email": user.email, "organizations": organizations},
        lifetime=timedelta(seconds=settings.ACCESS_TOKEN_SECONDS),
        now=now,
    )
    return TokenPair(access=access, refresh=refresh_token, expires_in=settings.ACCESS_TOKEN_SECONDS)


def _audit(user_id: UUID | None, *, action: AuditAction, outcome: str) -> None:
    """`_record` in a transaction of its own."""
    principal = person_principal(user_id) if user_id else None
    with tenant_scope(principal.grants if principal else ()):
        _record(user_id, principal, action=action, outcome=outcome)


def _record(user_id: UUID | None, principal: Principal | None, *, action: AuditAction, outcome: str) -> None:
    """Who was refused has not shown that they are this user."""
    users.record(
        actor=principal if principal and outcome == audit.DONE else ANONYMOUS,
        action=action,
        user_id=user_id,
        organizations=principal.grants if principal else (),
        outcome=outcome,
    )
