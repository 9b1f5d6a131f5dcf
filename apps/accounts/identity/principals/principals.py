"""Resolves credentials to principals: one principal type for every kind of caller; no principal means refused.

First the credential itself is verified, which identifies the caller. Then the current permissions are read from the
database, with one statement per kind of caller for any number of callers, so that all open connections can be checked
every second. People and services are resolved here. The app that owns another kind registers a resolver at startup:
- `gateway`: apps.devices
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from django.contrib.auth import get_user, login
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenError

from apps.accounts.identity.keys import tokens
from apps.accounts.identity.selectors import identity_stands
from apps.accounts.identity.sign_in import browser
from apps.accounts.models import SignIn, User
from apps.accounts.rights import service_principals
from apps.accounts.rights.grants import Asked, person_principal, person_principals
from apps.common.access import Principal, PrincipalKind
from apps.common.problems import Unauthenticated
from apps.common.times import from_unix

ONLY: Final = "only_organization"
"""Session key: the organization whose identity provider authenticated the person; access is limited to it."""
IDENTITY: Final = "external_identity"
"""Session key: the id of that external identity."""


@dataclass(frozen=True, slots=True)
class Named:
    """Identity from a verified credential. A person has a sign-in; a service's `subject` is its token's digest."""

    kind: PrincipalKind
    subject: UUID | bytes
    sign_in: UUID | None = None
    until: datetime | None = None
    """When the credential itself expires."""


Resolver = Callable[[Collection[Named], datetime], Mapping[Named, Principal]]
"""Maps identities to callers with their current rights; identities without access are left out.

Each is looked up once and without `until`: two credentials of the same caller are one lookup."""


class BadToken(Unauthenticated):
    """The access token is expired, foreign or malformed, or its owner has lost access."""

    code = "bad_token"
    default_detail = "This access token is not valid (any more): get a new one."


def register(kind: PrincipalKind, resolver: Resolver) -> None:
    """Register the resolver for callers of `kind`. Raises ValueError if there is another one."""
    if _resolvers.setdefault(kind, resolver) is not resolver:
        raise ValueError(f"Callers of kind {kind} already have a resolver.")


def named_by_bearer(token: str, *, now: datetime | None = None) -> Named:
    """Return the identity in an access token or a service token. Raises BadToken."""
    if service_principals.is_service_token(token):
        return Named(PrincipalKind.SERVICE, service_principals.digest_of_token(token))
    try:
        claims = tokens.verify(token, now=now)
    except TokenError:
        raise BadToken() from None
    until = from_unix(seconds=claims.exp)
    if until is None:
        raise BadToken()
    return Named(claims.kind, claims.sub, claims.sid, until)


def named_by_session(session: SessionBase) -> Named | None:
    """Return the identity in a browser's session; None if it is anonymous or has no sign-in."""
    request = HttpRequest()
    request.session = session
    user, sign_in = get_user(request), browser.sign_in_of(session)
    if not isinstance(user, User) or sign_in is None:
        return None
    rests_on = session.get(IDENTITY)
    if rests_on is not None and not identity_stands(UUID(rests_on)):
        return None
    return Named(PrincipalKind.PERSON, user.pk, sign_in)


def principals_of(named: Collection[Named], *, now: datetime | None = None) -> dict[Named, Principal]:
    """Return those of them who have access now, with their rights. One statement for each kind."""
    now = now or timezone.now()
    valid = {one: replace(one, until=None) for one in named if one.until is None or now < one.until}
    by_kind: defaultdict[PrincipalKind, set[Named]] = defaultdict(set)
    for caller in valid.values():
        by_kind[caller.kind].add(caller)
    principals: dict[Named, Principal] = {}
    for kind, callers in by_kind.items():
        if kind in _resolvers:
            principals.update(_resolvers[kind](callers, now))
    return {one: principals[caller] for one, caller in valid.items() if caller in principals}


def principal_named(named: Named) -> Principal:
    """Return the caller of a verified bearer token, with their current rights. Raises BadToken."""
    principal = principals_of([named]).get(named)
    if principal is None:
        raise BadToken()
    return principal


def principal_from_session(session: SessionBase) -> Principal | None:
    """Return the person who signed in with this session; None if anonymous or the sign-in is no longer valid.

    A session whose sign-in has ended is flushed.
    """
    named = named_by_session(session)
    if named is None:
        return None
    principal = principals_of([named]).get(named)
    if principal is None:
        session.flush()
    return principal


def open_session(
    request: HttpRequest, user: User, *, only: UUID | None = None, identity: UUID | None = None
) -> Principal | None:
    """Start a fresh browser session and return its person. With `only`, it is limited to that organization and lasts
    as long as the external identity behind it.
    """
    browser.forget(request)
    request.session.flush()
    login(request, user)
    sign_in = browser.sign_in_of(request.session)
    if only is not None and sign_in is not None:
        request.session[ONLY] = str(only)
        request.session[IDENTITY] = str(identity)
        SignIn.objects.filter(pk=sign_in).update(only_organization=only)
    return person_principal(user.pk, sign_in=sign_in)


def _people(named: Collection[Named], now: datetime) -> dict[Named, Principal]:
    """Resolve people, who always need a sign-in."""
    asked: dict[Asked, Named] = {
        (one.subject, one.sign_in): one for one in named if isinstance(one.subject, UUID) and one.sign_in
    }
    return {asked[key]: principal for key, principal in person_principals(list(asked), now=now).items()}


def _services(named: Collection[Named], now: datetime) -> dict[Named, Principal]:
    asked = {one.subject: one for one in named if isinstance(one.subject, bytes)}
    found = service_principals.service_principals(list(asked), now=now)
    return {asked[digest]: principal for digest, principal in found.items()}


_resolvers: dict[PrincipalKind, Resolver] = {PrincipalKind.PERSON: _people, PrincipalKind.SERVICE: _services}
