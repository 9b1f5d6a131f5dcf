"""What people are sent: e-mail through `django.core.mail`, text messages through a sender that the platform plugs in.

What people typed (a school's name) stands in it only by `typed_names`: nothing of it is a link, or a line of its own.
`SMS_SENDER` names a class with `send(to, text)`. None is built in: without one, `sms_sender` says so plainly.
"""

import logging
from datetime import datetime
from typing import Final, Protocol

import msgspec
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.utils.module_loading import import_string

from apps.accounts.mail import links
from apps.accounts.mail.names import as_text, in_subject
from apps.common.problems import Conflict

logger = logging.getLogger(__name__)

GREETING: Final = "SafeSignal"
LONGEST_ADDRESS: Final = 255


class SmsNotConfigured(Conflict):
    """This platform has no provider of text messages."""

    code = "sms_not_configured"
    default_detail = "This platform sends no text messages yet, so a phone number can not be verified."


class SmsSender(Protocol):
    """A provider of text messages."""

    def send(self, to: str, text: str) -> None:
        """Hand over one message to an E.164 number. Raises OSError when the provider did not take it."""


class Letter(msgspec.Struct, frozen=True):
    """One e-mail."""

    to: str
    subject: str
    text: str


def sms_sender() -> SmsSender:
    """The plugged-in provider. Raises SmsNotConfigured."""
    if not settings.SMS_SENDER:
        raise SmsNotConfigured()
    sender: SmsSender = import_string(settings.SMS_SENDER)()
    return sender


def is_address(email: str) -> bool:
    """Whether this is one e-mail address, as our columns hold one: no list of several, no second line, no name."""
    try:
        validate_email(email)
    except ValidationError:
        return False
    return len(email) <= LONGEST_ADDRESS


def send(letter: Letter) -> None:
    """Hand an e-mail to the mail server. Raises OSError (smtplib's errors are such)."""
    if not is_address(letter.to):
        logger.error("a letter was not sent: what it is to go to is no address")
        return
    EmailMessage(subject=letter.subject, body=letter.text, to=[letter.to]).send()


def invitation(*, to: str, organization: str, secret: str, expires_at: datetime) -> Letter:
    """The link by which somebody joins an organization."""
    school = as_text(organization)
    return _letter(
        to,
        f"{in_subject(organization)} invites you to SafeSignal",
        f"{school} uses SafeSignal to raise and answer alarms, and invites you to take part.",
        f"Open this link to join; it works once, until {_date(expires_at)}:",
        links.link(links.JOIN, secret),
        "If you did not expect this, leave it: nothing happens without you.",
    )


def email_confirmation(*, to: str, secret: str, expires_at: datetime) -> Letter:
    """The link that proves who reads the mail of this address."""
    return _letter(
        to,
        "Confirm your e-mail address",
        f"Open this link to confirm that this address is yours; it works once, until {_date(expires_at)}:",
        links.link(links.CONFIRM_EMAIL, secret),
        "If you did not ask for this, leave it: nothing changes.",
    )


def password_reset(*, to: str, secret: str, expires_at: datetime) -> Letter:
    """The link by which a forgotten password is replaced."""
    return _letter(
        to,
        "Set a new password",
        f"Open this link to set a new password; it works once, until {_date(expires_at)}:",
        links.link(links.RESET_PASSWORD, secret),
        "If you did not ask for this, leave it: your password stays as it is.",
    )


def day_account(*, to: str, organization: str, code: str, expires_at: datetime) -> Letter:
    """The link and code by which a substitute signs in for the day."""
    school = as_text(organization)
    return _letter(
        to,
        f"Your SafeSignal access at {in_subject(organization, instead='your school')}",
        f"This is your access to SafeSignal at {school} until {_date(expires_at)}. The link works once:",
        links.link(links.DAY, code),
        f"A program of your school that asks for a code takes this one: {code}",
    )


def email_changed(*, to: str) -> Letter:
    """For the old address: it is no longer that of the account."""
    return _letter(
        to,
        "Your e-mail address was changed",
        "Your SafeSignal account has another e-mail address now, confirmed by whoever reads its mail.",
        "If this was not you, tell your school's administrator at once.",
    )


def password_changed(*, to: str) -> Letter:
    """For the owner of an account that has another password now."""
    return _letter(
        to,
        "Your password was changed",
        "Your SafeSignal account has another password now. Other devices that were signed in must sign in again.",
        "If this was not you, set a new password at once, and tell your school's administrator:",
        f"{settings.BASE_URL}{settings.LOGIN_URL}",
    )


def second_factor_changed(*, to: str) -> Letter:
    """For the owner of an account, whoever it was that changed it."""
    return _letter(
        to,
        "Your sign-in was changed",
        "A second factor of your SafeSignal account (authenticator app, passkey or recovery codes) was added, changed"
        " or removed, by somebody who knew your password.",
        "If this was not you, set a new password and tell your school's administrator at once.",
    )


def has_account(*, to: str) -> Letter:
    """For an address that somebody wants to use anew: only its owner is told that it is in use."""
    return _letter(
        to,
        "You have an account already",
        "Somebody, probably you, asked to use this address with SafeSignal. There is an account with it already:",
        f"{settings.BASE_URL}{settings.LOGIN_URL}",
        "Sign in, or set a new password there if you have forgotten yours.",
    )


def _letter(to: str, subject: str, *paragraphs: str) -> Letter:
    return Letter(to=to, subject=subject, text="\n\n".join((*paragraphs, GREETING)) + "\n")


def _date(at: datetime) -> str:
    return f"{at:%d %B %Y, %H:%M} UTC"
