"""Request and response bodies of sign-in, sign-out, passwords and keys."""

from typing import Any, Final

from rest_framework import serializers

from apps.accounts.models import SignInKind
from apps.common.http.serializers import StrictSerializer
from apps.common.openapi.examples import openapi_example

ACCESS: Final = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIuLi4ifQ.c2lnbmF0dXJl"
REFRESH: Final = "Qm9va3MgYXJlIGEgdW5pcXVlbHkgcG9ydGFibGUgbWFnaWM"


@openapi_example(request={"email": "maria.sanchez@school.example", "password": "correct horse battery staple"})
class LoginSerializer(StrictSerializer):
    """Credentials of a sign-in."""

    email = serializers.EmailField(max_length=255)
    password = serializers.CharField(max_length=1024, trim_whitespace=False, write_only=True)


@openapi_example(request={"refresh": REFRESH})
class RefreshTokenSerializer(StrictSerializer):
    """A refresh token that login or refresh returned."""

    refresh = serializers.CharField(max_length=200)


@openapi_example(response={"access": ACCESS, "refresh": REFRESH, "expires_in": 900})
class TokenPairSerializer(serializers.Serializer[Any]):
    """Response of login and refresh."""

    access = serializers.CharField(help_text="ES256 JWT; send it as `Authorization: Bearer <access>`.")
    refresh = serializers.CharField(help_text="Valid for one use at /auth/refresh.")
    expires_in = serializers.IntegerField(help_text="Lifetime of `access` in seconds.")


class SessionSerializer(serializers.Serializer[Any]):
    """One of the caller's own sign-ins."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(SignInKind.choices)
    device = serializers.CharField(help_text="Recognizable name, e.g. `Firefox on Windows`.")
    address = serializers.IPAddressField(allow_null=True, help_text="IP address of the last use.")
    created_at = serializers.DateTimeField()
    used_at = serializers.DateTimeField(help_text="Accurate to ten minutes.")
    expires_at = serializers.DateTimeField()
    current = serializers.BooleanField(help_text="Whether this is the sign-in of the request.")


class JwkSerializer(serializers.Serializer[Any]):
    """A public key (RFC 7517, 4)."""

    kty = serializers.CharField()
    crv = serializers.CharField()
    x = serializers.CharField()
    y = serializers.CharField()
    kid = serializers.CharField(help_text="Its RFC 7638 thumbprint.")
    use = serializers.CharField()
    alg = serializers.CharField()


class JwkSetSerializer(serializers.Serializer[Any]):
    """The public keys of access tokens (RFC 7517, 5)."""

    keys = JwkSerializer(many=True)


def password_field(**kwargs: Any) -> serializers.CharField:
    """Return a field for a password, which is not trimmed."""
    return serializers.CharField(max_length=1024, trim_whitespace=False, write_only=True, **kwargs)


def secret_field() -> serializers.CharField:
    """Return a field for the secret of a link."""
    return serializers.CharField(max_length=200, help_text="The part of the link after `#`.")


def locale_field() -> serializers.RegexField:
    """Return a field for a language tag, optionally with country or script."""
    return serializers.RegexField(
        r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*\Z",
        max_length=35,
        allow_null=True,
        required=False,
        help_text="BCP 47, e.g. `en-US`. Null: the organization's language.",
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
