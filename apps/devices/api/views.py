"""API of gateways: their configuration."""

from http import HTTPStatus
from typing import Final

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.common.access import PrincipalKind
from apps.common.http.api import principal_of, renderers_for
from apps.common.problems import Forbidden
from apps.devices import services as devices
from apps.devices.gateways import configuration

CONTENT_TYPE: Final = "application/jose"


@extend_schema(exclude=True)
class EdgeConfigurationView(APIView):
    """GET /api/v1/edge/config: a signed document; 304 when the gateway has this version."""

    renderer_classes = renderers_for(CONTENT_TYPE)

    def get(self, request: Request) -> HttpResponse:
        """Return the gateway's own configuration."""
        gateway = principal_of(request)
        if gateway.kind is not PrincipalKind.GATEWAY:
            raise Forbidden("Only a gateway has a configuration.")
        # The request is a sign of life: a gateway sends one every few minutes, even when nothing else happens.
        for organization_id in gateway.grants:
            devices.record_gateway_seen(organization_id=organization_id, gateway_id=gateway.id, at=timezone.now())
        etag = f'"{configuration.configuration_version(gateway)}"'
        if request.headers.get("If-None-Match") == etag:
            response = HttpResponse(status=HTTPStatus.NOT_MODIFIED)
        else:
            document = configuration.signed_configuration(gateway, now=timezone.now())
            response = HttpResponse(document, content_type=CONTENT_TYPE)
        response["ETag"] = etag
        return response
