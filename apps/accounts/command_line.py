"""What commands are told of people."""

from argparse import ArgumentTypeError

from django.core.exceptions import ValidationError
from django.core.validators import validate_email


def address(text: str) -> str:
    """An e-mail address. Raises ArgumentTypeError."""
    try:
        validate_email(text)
    except ValidationError:
        raise ArgumentTypeError(f"{text} is no e-mail address.") from None
    return text
