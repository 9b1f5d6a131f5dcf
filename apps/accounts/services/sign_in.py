"""Signing in and out.

This happens before anybody is known: these services open their own transactions, so that what a refusal writes stays,
though its answer is an error.
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
from django.utils import timezone
from django.utils.crypto import salted_hmac

from apps.accounts import tokens
from apps.accounts.grants import person_principal
from apps.accounts.models import RefreshToken, User
from apps.accounts.selectors import sign_in_of_refresh_token, user_by_email
from apps.accounts.services import second_factors
from apps.accounts.services.second_factors import SecondFactorRefused
from apps.accounts.throttle import Guess
from apps.common import audit
from apps.common.access import Principal, PrincipalKind
from apps.common.ids import new_id
from apps.common.problems import Unauthenticated
from apps.common.scope import tenant_scope

REUSE_GRACE = timedelta(seconds=60)
"""A refresh token that comes again within this time is a lost answer on a bad link, later it is a theft."""


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


def authenticate(*, email: str, password: str, address: str) -> User:
    """The person with these credentials, ready for Django's `login()`. Every outcome is audited.

    Raises WrongCredentials, TooManyGuesses, or SecondFactorRequired (go on with `authenticate_further`). Opens its own
    transaction.
    """
    guess = Guess(email=email, address=address)
    guess.take()
    user = check_credentials(email=email, password=password)
    if not isinstance(user, User):
        known = user_by_email(email)
        _audit(known.id if known else None, action="auth.login", outcome="refused")
        raise WrongCredentials()
    guess.right()
    second_factors.demand(user=user, now=timezone.now())
    _audit(user.id, action="auth.login", outcome="done")
    return user


def authenticate_further(
    *,
    challenge: str,
    code: str | None,
    passkey: dict[str, Any] | None,
    address: str,
    now: datetime | None = None,
) -> User:
    """The person who answered the challenge of their second factor, ready for Django's `login()`.

    Raises SecondFactorRefused, TooManyGuesses. Opens its own transaction.
    """
    user, right = second_factors.answer(
        challenge=challenge, code=code, passkey=passkey, address=address, now=now or timezone.now()
    )
    if user is None or not right:
        _audit(user.id if user else None, action="auth.second_factor", outcome="refused")
        raise SecondFactorRefused()
    _audit(user.id, action="auth.login", outcome="done")
    return user


def login(*, email: str, password: str, address: str, now: datetime | None = None) -> TokenPair:
    """Sign in with e-mail and password: a new family of refresh tokens. Raises as `authenticate` does."""
    user = authenticate(email=email, password=password, address=address)
    return begin(user=user, now=now or timezone.now())


def login_further(
    *, challenge: str, code: str | None, passkey: dict[str, Any] | None, address: str, now: datetime | None = None
) -> TokenPair:
    """The second step of `login`, where the account has a second factor. Raises as `authenticate_further` does."""
    user = authenticate_further(challenge=challenge, code=code, passkey=passkey, address=address, now=now)
    return begin(user=user, now=now or timezone.now())


def begin(*, user: User, now: datetime, only: UUID | None = None) -> TokenPair:
    """A new family of refresh tokens for who has shown all that is asked; with `only`, for that organization alone.

    Opens its own transaction. Raises WrongCredentials.
    """
    principal = person_principal(user.id, only=only)
    if principal is None:
        raise WrongCredentials()
    refresh_token = secrets.token_urlsafe(32)
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(last_login=now)
        RefreshToken.objects.filter(user=user, expires_at__lt=now).delete()
        _store(refresh_token, family=new_id(), user=user, now=now, only=only)
    return _pair(user, principal, refresh_token, now)


def refresh(*, token: str, now: datetime | None = None) -> TokenPair:
    """A new pair for a refresh token, which is used up by that.

    The same token within REUSE_GRACE is given the same successor; later it ends the whole family.
    Raises RefreshRefused.
    """
    now = now or timezone.now()
    owner, only = sign_in_of_refresh_token(_digest(token)) or (None, None)
    principal = person_principal(owner, only=only) if owner else None
    if principal is None:
        raise RefreshRefused()
    with tenant_scope(principal.grants):
        user = _lock(principal.id)
        refused = _rotate(token, user, principal, now)
    if refused:
        raise refused
    return _pair(user, principal, _successor(token), now)


def logout(*, token: str, now: datetime | None = None) -> None:
    """End the sign-in that this refresh token belongs to. An unknown token is no error: it is signed out already."""
    owner, only = sign_in_of_refresh_token(_digest(token)) or (None, None)
    if owner is None:
        return
    principal = person_principal(owner, only=only)
    with tenant_scope(principal.grants if principal else ()):
        _lock(owner)
        presented = RefreshToken.objects.filter(digest=_digest(token), revoked_at=None).first()
        if presented:
            _revoke(presented.family, now or timezone.now())
            _record(owner, principal, action="auth.logout", outcome="done")


def end_sign_ins(user_id: UUID, *, except_family: UUID | None = None, now: datetime) -> None:
    """End every sign-in of a person, or every other than `except_family`; in the caller's transaction."""
    _lock(user_id)
    living = RefreshToken.objects.filter(user=user_id, revoked_at=None)
    (living.exclude(family=except_family) if except_family else living).update(revoked_at=now)


def _rotate(token: str, user: User, principal: Principal, now: datetime) -> RefreshRefused | None:
    """Use up the presented token. A refusal is returned, not raised, because what it writes must be committed."""
    presented = RefreshToken.objects.filter(digest=_digest(token), user=user).first()
    if presented is None or presented.revoked_at or presented.expires_at <= now:
        return RefreshRefused()
    if presented.used_at is None:
        presented.used_at = now
        presented.save(update_fields=["used_at"])
        _store(_successor(token), family=presented.family, user=user, now=now, only=presented.only_organization)
    elif now - presented.used_at > REUSE_GRACE:
        _revoke(presented.family, now)
        _record(user.id, principal, action="auth.refresh_reused", outcome="refused")
        return RefreshReused()
    return None


def _lock(user_id: UUID) -> User:
    """One change at a time of a person's sign-ins, so that no successor is born while its family is revoked."""
    return User.objects.select_for_update(no_key=True).get(pk=user_id)


def _store(token: str, *, family: UUID, user: User, now: datetime, only: UUID | None) -> None:
    RefreshToken.objects.create(
        family=family,
        user=user,
        only_organization=only,
        digest=_digest(token),
        created_at=now,
        expires_at=now + timedelta(days=settings.REFRESH_TOKEN_DAYS),
    )


def _revoke(family: UUID, now: datetime) -> None:
    RefreshToken.objects.filter(family=family, revoked_at=None).update(revoked_at=now)


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _successor(token: str) -> str:
    """The one token that follows this one: the same answer can be given twice, and nothing secret is stored for it."""
    return tokens.base64url(salted_hmac("safesignal.refresh", token, algorithm="sha256").digest())


def _pair(user: User, principal: Principal, refresh_token: str, now: datetime) -> TokenPair:
    organizations = [{"id": str(grant.organization_id), "role": grant.role} for grant in principal.grants.values()]
    only = {"only": str(principal.only)} if principal.only else {}
    access = tokens.mint(
        kind=PrincipalKind.PERSON,
        subject=user.id,
        claims={"email": user.email, "organizations": organizations, **only},
        lifetime=timedelta(seconds=settings.ACCESS_TOKEN_SECONDS),
        now=now,
    )
    return TokenPair(access=access, refresh=refresh_token, expires_in=settings.ACCESS_TOKEN_SECONDS)


def _audit(user_id: UUID | None, *, action: str, outcome: str) -> None:
    """`_record` in a transaction of its own."""
    principal = person_principal(user_id) if user_id else None
    with tenant_scope(principal.grants if principal else ()):
        _record(user_id, principal, action=action, outcome=outcome)


def _record(user_id: UUID | None, principal: Principal | None, *, action: str, outcome: str) -> None:
    """A row in the trail of each organization of the person; in the platform's own when they have none."""
    for organization in (principal.grants if principal else None) or [None]:
        audit.record(
            actor=principal if outcome == "done" else None,
            action=action,
            target_kind="user",
            target_id=user_id,
            organization_id=organization,
            outcome=outcome,
        )
