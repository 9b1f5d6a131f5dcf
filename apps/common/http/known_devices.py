"""Browsers and apps that somebody has signed in on before: a cookie tells them from strangers.

What OWASP calls device cookies ("Slow down online guessing attacks with device cookies"): wrong passwords of strangers
slow strangers down, and never a device that the account's owner has used. The cookie opens nothing: it names a device
and the accounts that have signed in there, sealed, so that nobody but us makes or reads one.
"""

import secrets
from datetime import timedelta
from typing import Final

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.crypto import salted_hmac

from apps.common.encryption import NotSealed, seal, unseal_fresh

LIFETIME: Final = timedelta(days=180)
"""Renewed at each sign-in."""
MOST_ACCOUNTS: Final = 10
"""Of one device: a computer in a staff room is several people's. The last to sign in are kept."""
PURPOSE: Final = "known_device"


class KnownDevice(msgspec.Struct, frozen=True):
    """A device, and the accounts that signed in there: digests of their e-mail addresses, the latest first."""

    id: str
    accounts: tuple[str, ...] = ()

    def knows(self, email: str) -> bool:
        """Whether the account of this address has signed in here."""
        return _digest(email) in self.accounts


def known_device(request: HttpRequest) -> KnownDevice | None:
    """The device that sends this request, if somebody signed in on it before."""
    sealed = request.COOKIES.get(settings.DEVICE_COOKIE_NAME, "")
    try:
        return msgspec.json.decode(
            unseal_fresh(sealed, purpose=PURPOSE, within=LIFETIME, now=timezone.now()), type=KnownDevice
        )
    except NotSealed:
        return None


def remember_device(request: HttpRequest, response: HttpResponseBase, email: str) -> None:
    """Have the browser or app keep that the account of this address has signed in there."""
    before = known_device(request) or KnownDevice(secrets.token_urlsafe(16))
    account = _digest(email)
    accounts = (account, *(one for one in before.accounts if one != account))[:MOST_ACCOUNTS]
    sealed = seal(msgspec.json.encode(KnownDevice(before.id, accounts)).decode(), purpose=PURPOSE, now=timezone.now())
    response.set_cookie(
        settings.DEVICE_COOKIE_NAME,
        sealed,
        max_age=LIFETIME,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )


def _digest(email: str) -> str:
    return salted_hmac("safesignal.known_device", email.strip().casefold(), algorithm="sha256").hexdigest()[:32]
