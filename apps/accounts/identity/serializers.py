"""Request bodies of sign-in, sign-out and passwords."""

from typing import Any, Final

from rest_framework import serializers

from apps.accounts.identity.examples import REFRESH
from apps.common.http.serializers import StrictSerializer
from apps.common.openapi.examples import openapi_example


@openapi_example(request={"email": "maria.sanchez@school.example", "password": "correct horse battery staple"})
class LoginSerializer(StrictSerializer):
    """Credentials of a sign-in."""

    email = serializers.EmailField(max_length=255)
    password = serializers.CharField(max_length=1024, trim_whitespace=False, write_only=True)


@openapi_example(request={"refresh": REFRESH})
class RefreshTokenSerializer(StrictSerializer):
    """A refresh token that login or refresh returned."""

    refresh = serializers.CharField(max_length=200)


def password_field(**kwargs: Any) -> serializers.CharField:
    """Return a field for a password, which is not trimmed."""
    return serializers.CharField(max_length=1024, trim_whitespace=False, write_only=True, **kwargs)


def secret_field() -> serializers.CharField:
    """Return a field for the secret of a link."""
    return serializers.CharField(max_length=200, help_text="The part of the link after `#`.")


LOCALE_HELP: Final = "BCP 47, e.g. `en-US`. Null: the organization's language."


def locale_field() -> serializers.RegexField:
    """Return a field for a language tag, optionally with country or script."""
    return serializers.RegexField(
        r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*\Z",
        max_length=35,
        allow_null=True,
        required=False,
        help_text=LOCALE_HELP,
    )


PROOF_HELP: Final = "Your present password, as a proof that it is you."


class TokenSerializer(StrictSerializer):
    """The secret of a link that was sent."""

    token = secret_field()


class ForgotPasswordSerializer(StrictSerializer):
    """The e-mail address of an account with a forgotten password."""

    email = serializers.EmailField(max_length=255)


class ResetPasswordSerializer(StrictSerializer):
    """A new password, set with a link."""

    token = secret_field()
    password = password_field(help_text="At least 12 characters, and not a common password.")
