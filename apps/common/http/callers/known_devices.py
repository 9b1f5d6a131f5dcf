"""Browsers and apps on which somebody has signed in before, recognized by a cookie.

OWASP calls them device cookies ("Slow down online guessing attacks with device cookies"): wrong passwords from
strangers slow strangers down, but never a device that the account's owner has used. The cookie grants no access: it
names a device and the accounts that have signed in there, encrypted, so that only this cloud can create or read one.
"""

import secrets
from datetime import timedelta
from typing import Final

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.crypto import salted_hmac

from apps.common.encryption import CannotDecrypt, decrypt_recent, encrypt

LIFETIME: Final = timedelta(days=180)
"""Renewed at each sign-in."""
MOST_ACCOUNTS: Final = 10
"""Accounts of one device: several people share a computer in a staff room. The latest ones are kept."""
PURPOSE: Final = "known_device"


class KnownDevice(msgspec.Struct, frozen=True):
    """A device, and the accounts that signed in there: digests of their e-mail addresses, the latest first."""

    id: str
    accounts: tuple[str, ...] = ()

    def knows(self, email: str) -> bool:
        """Return whether the account of this address has signed in here."""
        return _digest(email) in self.accounts


def known_device(request: HttpRequest) -> KnownDevice | None:
    """Return the device that sends this request, if somebody has signed in on it before."""
    encrypted = request.COOKIES.get(settings.DEVICE_COOKIE_NAME, "")
    try:
        return msgspec.json.decode(
            decrypt_recent(encrypted, purpose=PURPOSE, within=LIFETIME, now=timezone.now()), type=KnownDevice
        )
    except CannotDecrypt:
        return None


def remember_device(request: HttpRequest, response: HttpResponseBase, email: str) -> None:
    """Set the cookie that records that the account of this address has signed in on this browser or app."""
    before = known_device(request) or KnownDevice(secrets.token_urlsafe(16))
    account = _digest(email)
    accounts = (account, *(one for one in before.accounts if one != account))[:MOST_ACCOUNTS]
    text = msgspec.json.encode(KnownDevice(before.id, accounts)).decode()
    cookie = encrypt(text, purpose=PURPOSE, now=timezone.now())
    response.set_cookie(
        settings.DEVICE_COOKIE_NAME,
        cookie,
        max_age=LIFETIME,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )


def _digest(email: str) -> str:
    return salted_hmac("safesignal.known_device", email.strip().casefold(), algorithm="sha256").hexdigest()[:32]
