"""Bodies of /api/v1/auth/."""

from typing import Any

from rest_framework import serializers

from apps.common.serializers import StrictSerializer


class LoginSerializer(StrictSerializer):
    """What one signs in with."""

    email = serializers.EmailField(max_length=255)
    password = serializers.CharField(max_length=1024, trim_whitespace=False, write_only=True)


class RefreshTokenSerializer(StrictSerializer):
    """A refresh token that was given out by login or refresh."""

    refresh = serializers.CharField(max_length=200)


class TokenPairSerializer(serializers.Serializer[Any]):
    """What login and refresh answer."""

    access = serializers.CharField(help_text="ES256 JWT; send it as `Authorization: Bearer <access>`.")
    refresh = serializers.CharField(help_text="Good for one use at /auth/refresh.")
    expires_in = serializers.IntegerField(help_text="Seconds for which `access` is good.")
