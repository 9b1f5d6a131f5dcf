"""Argument types of the management commands."""

from argparse import ArgumentTypeError

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from apps.common.text import email_address


def address(text: str) -> str:
    """Return a normalized e-mail address. Raises ArgumentTypeError."""
    try:
        found = email_address(text)
        validate_email(found)
    except (ValidationError, ValueError):
        raise ArgumentTypeError(f"{text} is no e-mail address.") from None
    return found
