"""Browsers: a Django session belongs to a sign-in, like an app's tokens, and ends with it.

Every page that signs a person in calls Django's `login()`, which sends a signal. The signal handler covers all of these
entry points. A session without a sign-in is anonymous.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth import logout, user_logged_in, user_logged_out
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts.identity.sign_in import services
from apps.accounts.models import SignIn, SignInKind, User
from apps.common.access import Principal
from apps.common.http.callers.addresses import address_of
from apps.common.http.callers.user_agents import device_of

SESSION_KEY: Final = "sign_in"


def sign_in_of(session: SessionBase) -> UUID | None:
    """Return the id of a session's sign-in."""
    named = session.get(SESSION_KEY)
    return UUID(named) if isinstance(named, str) else None


def sign_out(request: HttpRequest, principal: Principal | None) -> None:
    """End the session and its sign-in."""
    sign_in = sign_in_of(request.session)
    if principal is not None and sign_in is not None and principal.sign_in == sign_in:
        services.end(principal=principal, sign_in=sign_in)
    logout(request)


def connect() -> None:
    """Connect the handlers of Django's `login()` and `logout()` signals."""
    user_logged_in.connect(_begin, dispatch_uid="safesignal.sign_in")
    user_logged_out.connect(_end, dispatch_uid="safesignal.sign_out")


def _begin(sender: object, request: HttpRequest, user: User, **_: object) -> None:
    forget(request)  # a second sign-in in the same browser replaces the first
    begun = services.new_sign_in(
        user=user,
        kind=SignInKind.BROWSER,
        device=device_of(request),
        address=address_of(request),
        lifetime=timedelta(seconds=settings.SESSION_COOKIE_AGE),
        now=timezone.now(),
    )
    request.session[SESSION_KEY] = str(begun.id)


def _end(sender: object, request: HttpRequest, **_: object) -> None:
    """End the sign-in, also when a page of another package called `logout()`."""
    forget(request)


def forget(request: HttpRequest) -> None:
    """End the sign-in of a session."""
    sign_in = sign_in_of(request.session)
    if sign_in is not None:
        SignIn.objects.filter(pk=sign_in).delete()
