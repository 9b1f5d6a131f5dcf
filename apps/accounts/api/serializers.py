"""Bodies of /api/v1/auth/."""

from typing import Any, Final

from rest_framework import serializers

from apps.accounts.models import SignInKind
from apps.common.http.serializers import StrictSerializer, ZonedDateTimeField
from apps.common.openapi.examples import shown

ACCESS: Final = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIuLi4ifQ.c2lnbmF0dXJl"
REFRESH: Final = "Qm9va3MgYXJlIGEgdW5pcXVlbHkgcG9ydGFibGUgbWFnaWM"
MOST_SCOPES: Final = 100


@shown(sent={"email": "maria.sanchez@school.example", "password": "correct horse battery staple"})
class LoginSerializer(StrictSerializer):
    """What one signs in with."""

    email = serializers.EmailField(max_length=255)
    password = serializers.CharField(max_length=1024, trim_whitespace=False, write_only=True)


@shown(sent={"refresh": REFRESH})
class RefreshTokenSerializer(StrictSerializer):
    """A refresh token that was given out by login or refresh."""

    refresh = serializers.CharField(max_length=200)


@shown(told={"access": ACCESS, "refresh": REFRESH, "expires_in": 900})
class TokenPairSerializer(serializers.Serializer[Any]):
    """What login and refresh answer."""

    access = serializers.CharField(help_text="ES256 JWT; send it as `Authorization: Bearer <access>`.")
    refresh = serializers.CharField(help_text="Good for one use at /auth/refresh.")
    expires_in = serializers.IntegerField(help_text="Seconds for which `access` is good.")


class SessionSerializer(serializers.Serializer[Any]):
    """One sign-in of the caller's own."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(SignInKind.choices)
    device = serializers.CharField(help_text="As its owner would recognize it: `Firefox on Windows`.")
    address = serializers.IPAddressField(allow_null=True, help_text="Where it was last used from.")
    created_at = serializers.DateTimeField()
    used_at = serializers.DateTimeField(help_text="To within ten minutes.")
    expires_at = serializers.DateTimeField()
    current = serializers.BooleanField(help_text="Whether it is the one that asks.")


class ServiceTokenSerializer(StrictSerializer):
    """A service token."""

    id = serializers.UUIDField(read_only=True)
    organization = serializers.UUIDField(read_only=True)
    name = serializers.CharField(max_length=100, help_text="Which system it is for.")
    scopes = serializers.ListField(
        child=serializers.CharField(max_length=151),
        min_length=1,
        max_length=MOST_SCOPES,
        help_text="`resource:action`, each a right of the maker's own. None implies another.",
    )
    expires_at = ZonedDateTimeField(help_text="At most 366 days from now.")
    created_by = serializers.UUIDField(read_only=True, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)
    used_at = serializers.DateTimeField(read_only=True, allow_null=True, help_text="To within two minutes.")


class NewServiceTokenSerializer(ServiceTokenSerializer):
    """A service token that was made just now."""

    token = serializers.CharField(read_only=True, help_text="`Authorization: Bearer <token>`. Told this once.")


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
