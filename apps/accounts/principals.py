"""From a credential to the caller: one principal type for every kind of caller, and no principal is a refusal.

Persons are resolved here. Who owns another kind of caller says how its token becomes a principal, when its app starts:
- `gateway`: apps.devices
"""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from django.contrib.auth import get_user, login
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from apps.accounts import tokens
from apps.accounts.grants import person_principal
from apps.accounts.models import User
from apps.accounts.selectors import identity_stands
from apps.accounts.tokens import Claims, TokenRefused
from apps.common.access import Principal, PrincipalKind
from apps.common.problems import Unauthenticated

Resolver = Callable[[Claims], Principal | None]
"""From verified claims to the caller with their rights of this moment; None when they may not speak any more."""

_resolvers: dict[PrincipalKind, Resolver] = {
    PrincipalKind.PERSON: lambda claims: person_principal(claims.sub, only=claims.only)
}

ONLY: Final = "only_organization"
"""In a browser's session: the organization whose identity provider vouched for the person, and no other counts."""
IDENTITY: Final = "external_identity"
"""And whom it named."""


class BadToken(Unauthenticated):
    """The access token is expired, foreign or malformed, or its owner may not speak any more."""

    code = "bad_token"
    default_detail = "This access token is not valid (any more): get a new one."


def register(kind: PrincipalKind, resolver: Resolver) -> None:
    """Say how tokens of `kind` become principals. Raises ValueError when somebody else has said it."""
    if _resolvers.setdefault(kind, resolver) is not resolver:
        raise ValueError(f"Tokens of a {kind} are resolved elsewhere already.")


def principal_from_bearer(token: str) -> Principal:
    """The caller that an access token names, with the rights of this moment. Raises BadToken."""
    try:
        claims = tokens.verify(token)
    except TokenRefused:
        raise BadToken() from None
    resolver = _resolvers.get(claims.kind)
    principal = resolver(claims) if resolver else None
    if principal is None:
        raise BadToken()
    return principal


def principal_from_session(session: SessionBase) -> Principal | None:
    """The person who signed in with this session; None when nobody did, or their sign-in counts no more."""
    request = HttpRequest()
    request.session = session
    user = get_user(request)
    if not isinstance(user, User):
        return None
    only = session.get(ONLY)
    if only is None:
        return person_principal(user.pk)
    return person_principal(user.pk, only=UUID(only)) if identity_stands(UUID(session[IDENTITY])) else None


def open_session(request: HttpRequest, user: User, *, only: UUID | None = None, identity: UUID | None = None) -> None:
    """A browser's new session, with nothing of an older one; with `only`, for that organization alone, as long as the
    external identity that it rests on stands.
    """
    request.session.flush()
    login(request, user)
    if only is not None:
        request.session[ONLY] = str(only)
        request.session[IDENTITY] = str(identity)
