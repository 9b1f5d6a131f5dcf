"""Bodies of /api/v1/auth/."""

from typing import Any, Final

from rest_framework import serializers

from apps.common.examples import shown
from apps.common.serializers import StrictSerializer

ACCESS: Final = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIuLi4ifQ.c2lnbmF0dXJl"
REFRESH: Final = "Qm9va3MgYXJlIGEgdW5pcXVlbHkgcG9ydGFibGUgbWFnaWM"


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
