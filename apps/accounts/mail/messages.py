"""Messages to people: e-mail through `django.core.mail`, text messages through a configured sender.

Text that people typed (a school's name) is included only through `mail.names`, so that it cannot add a link or a line.
`SMS_SENDER` names a class with `send(to, text)`. None is built in: without one, `sms_sender` raises SmsNotConfigured.
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
        """Send one message to an E.164 number. Raises OSError if the provider does not accept it."""


class Email(msgspec.Struct, frozen=True):
    """One e-mail."""

    to: str
    subject: str
    text: str


def sms_sender() -> SmsSender:
    """Return the configured provider. Raises SmsNotConfigured."""
    if not settings.SMS_SENDER:
        raise SmsNotConfigured()
    sender: SmsSender = import_string(settings.SMS_SENDER)()
    return sender


def is_address(email: str) -> bool:
    """Return whether this is a single e-mail address that fits the column: no list, no second line, no name."""
    try:
        validate_email(email)
    except ValidationError:
        return False
    return len(email) <= LONGEST_ADDRESS


def send(email: Email) -> None:
    """Pass an e-mail to the mail server. Raises OSError (smtplib's errors are subclasses)."""
    if not is_address(email.to):
        logger.error("an e-mail was not sent: its recipient is not an e-mail address")
        return
    EmailMessage(subject=email.subject, body=email.text, to=[email.to]).send()


def invitation(*, to: str, organization: str, secret: str, expires_at: datetime) -> Email:
    """Build the e-mail with the link for joining an organization."""
    school = as_text(organization)
    return _email(
        to,
        f"{in_subject(organization)} invites you to SafeSignal",
        f"{school} uses SafeSignal to raise and answer alarms, and invites you to take part.",
        f"Open this link to join; it works once, until {_date(expires_at)}:",
        links.link(links.JOIN, secret),
        "If you did not expect this, leave it: nothing happens without you.",
    )


def email_confirmation(*, to: str, secret: str, expires_at: datetime) -> Email:
    """Build the e-mail with the link that confirms an address."""
    return _email(
        to,
        "Confirm your e-mail address",
        f"Open this link to confirm that this address is yours; it works once, until {_date(expires_at)}:",
        links.link(links.CONFIRM_EMAIL, secret),
        "If you did not ask for this, leave it: nothing changes.",
    )


def password_reset(*, to: str, secret: str, expires_at: datetime) -> Email:
    """Build the e-mail with the link for resetting a forgotten password."""
    return _email(
        to,
        "Set a new password",
        f"Open this link to set a new password; it works once, until {_date(expires_at)}:",
        links.link(links.RESET_PASSWORD, secret),
        "If you did not ask for this, leave it: your password stays as it is.",
    )


def day_account(*, to: str, organization: str, code: str, expires_at: datetime) -> Email:
    """Build the e-mail with the link and code with which a substitute signs in for the day."""
    school = as_text(organization)
    return _email(
        to,
        f"Your SafeSignal access at {in_subject(organization, instead='your school')}",
        f"This is your access to SafeSignal at {school} until {_date(expires_at)}. The link works once:",
        links.link(links.DAY, code),
        f"A program of your school that asks for a code takes this one: {code}",
    )


def email_changed(*, to: str) -> Email:
    """Build the e-mail to the old address after the account's address has changed."""
    return _email(
        to,
        "Your e-mail address was changed",
        "Your SafeSignal account has another e-mail address now, confirmed by whoever reads its mail.",
        "If this was not you, tell your school's administrator at once.",
    )


def password_changed(*, to: str) -> Email:
    """Build the e-mail to the owner of an account whose password has changed."""
    return _email(
        to,
        "Your password was changed",
        "Your SafeSignal account has another password now. Other devices that were signed in must sign in again.",
        "If this was not you, set a new password at once, and tell your school's administrator:",
        f"{settings.BASE_URL}{settings.LOGIN_URL}",
    )


def second_factor_changed(*, to: str) -> Email:
    """Build the e-mail to the owner of an account after any change of its second factors."""
    return _email(
        to,
        "Your sign-in was changed",
        "A second factor of your SafeSignal account (authenticator app, passkey or recovery codes) was added, changed"
        " or removed, by someone who knew your password.",
        "If this was not you, set a new password and tell your school's administrator at once.",
    )


def has_account(*, to: str) -> Email:
    """Build the e-mail to an address that was requested again: only its owner learns that it is in use."""
    return _email(
        to,
        "You have an account already",
        "Somebody, probably you, asked to use this address with SafeSignal. There is an account with it already:",
        f"{settings.BASE_URL}{settings.LOGIN_URL}",
        "Sign in, or set a new password there if you have forgotten yours.",
    )


def _email(to: str, subject: str, *paragraphs: str) -> Email:
    return Email(to=to, subject=subject, text="\n\n".join((*paragraphs, GREETING)) + "\n")


def _date(at: datetime) -> str:
    return f"{at:%d %B %Y, %H:%M} UTC"
