"""/.well-known/jwks.json: the public keys that verify access tokens (RFC 7517)."""

from typing import Final

import msgspec
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.accounts.identity.documents import JwkSetDocument
from apps.accounts.identity.keys.key_ring import key_ring
from apps.common.http.api import renderers_for

CONTENT_TYPE: Final = "application/jwk-set+json"
KEEP_SECONDS: Final = 30
"""How long a cache may keep the response: less than the time for which a new key is published before it signs."""


class KeySetView(APIView):
    """GET /.well-known/jwks.json."""

    authentication_classes = ()
    permission_classes = ()
    renderer_classes = renderers_for(CONTENT_TYPE)

    @extend_schema(
        operation_id="getKeySet",
        summary="Read the public keys of access tokens",
        tags=["auth"],
        responses={(200, CONTENT_TYPE): JwkSetDocument},
        auth=[],
    )
    def get(self, request: Request) -> HttpResponse:
        """Return the keys that verify now, and a key that is about to sign."""
        keys = JwkSetDocument([key.jwk for key in key_ring().verifying(timezone.now())])
        return HttpResponse(
            msgspec.json.encode(keys),
            content_type=CONTENT_TYPE,
            headers={"Cache-Control": f"public, max-age={KEEP_SECONDS}"},
        )
