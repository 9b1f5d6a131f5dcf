"""Request bodies of single sign-on: identity providers, and an app's code."""

from typing import Final
from urllib.parse import urlsplit

from rest_framework import serializers

from apps.accounts.models import Role
from apps.accounts.single_sign_on import examples
from apps.accounts.single_sign_on.documents import IdentityProviderDocument
from apps.common.http.serializers import StrictSerializer
from apps.common.openapi.examples import openapi_example

MOST_GROUPS: Final = 200
LONGEST_GROUP: Final = 200


@openapi_example(request=examples.REQUEST)
class IdentityProviderSerializer(StrictSerializer):
    """An OpenID Connect issuer with our credentials. Register `…/api/v1/auth/oidc/{id}/callback` there."""

    answered = IdentityProviderDocument

    name = serializers.CharField(max_length=100, help_text="Name for people: Google, Microsoft, the district.")
    issuer = serializers.CharField(
        max_length=255,
        help_text="Exactly as in its discovery document: `https://accounts.google.com`,"
        " `https://login.microsoftonline.com/{tenant}/v2.0`. Cannot be changed later.",
    )
    client_id = serializers.CharField(max_length=255)
    client_secret = serializers.CharField(max_length=512, write_only=True, trim_whitespace=False)
    role_claim = serializers.CharField(
        max_length=100, allow_null=True, required=False, help_text="The claim that lists groups or roles."
    )
    role_map = serializers.DictField(
        child=serializers.ChoiceField(Role.choices),
        required=False,
        help_text="Maps values of that claim to roles; applied at each sign-in, the highest role counts.",
    )
    default_role = serializers.ChoiceField(
        Role.choices,
        allow_null=True,
        required=False,
        help_text="Role of people without a mapped group, including newcomers; null: they cannot sign in.",
    )
    is_active = serializers.BooleanField(required=False)

    def validate_issuer(self, issuer: str) -> str:
        """Require a web address without query or fragment (OpenID Connect Discovery 1.0, 3)."""
        parts = urlsplit(issuer)
        if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query or parts.fragment:
            raise serializers.ValidationError("A web address without `?` and `#`.")
        if "@" in parts.netloc:
            raise serializers.ValidationError("An address without a name in it.")
        return issuer

    def validate_role_map(self, role_map: dict[str, str]) -> dict[str, str]:
        """Limit the number and length of groups."""
        if len(role_map) > MOST_GROUPS or any(len(group) > LONGEST_GROUP for group in role_map):
            raise serializers.ValidationError(f"At most {MOST_GROUPS} groups of {LONGEST_GROUP} characters.")
        return role_map


@openapi_example(request={"default_role": "viewer"})
class ChangedIdentityProviderSerializer(IdentityProviderSerializer):
    """The fields of an identity provider that can be changed."""

    issuer = None  # type: ignore[assignment]  # so that DRF leaves the inherited field out


@openapi_example(
    request={"code": "c2Vlbi1ieS1ub2JvZHk", "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}
)
class AppCodeSerializer(StrictSerializer):
    """The code that an app received at its address, and its PKCE verifier."""

    code = serializers.CharField(max_length=200)
    code_verifier = serializers.CharField(min_length=43, max_length=128)
