"""The endpoint for gateways: accept a batch of events and return a result for each."""

import msgspec
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.alerts.ingest import service
from apps.common.access import PrincipalKind
from apps.common.http.api import principal_of
from apps.common.http.endpoints import exempt_from_rate_limit
from apps.common.observability import metrics, tracing
from apps.common.problems import Forbidden


@exempt_from_rate_limit
@extend_schema(exclude=True)
class EdgeEventsView(APIView):
    """POST /api/v1/edge/events: `contracts/edge_events` in, `contracts/edge_answer` out, after commit."""

    parser_classes = []

    def post(self, request: Request) -> HttpResponse:
        """Ingest a batch. Never returns 429: floods are collapsed, not refused."""
        principal = principal_of(request)
        if principal.kind is not PrincipalKind.GATEWAY:
            raise Forbidden("Only a gateway sends events.")
        batch = service.parse(request._request.body)
        with metrics.ingest_seconds.time(), tracing.span("ingest", events=len(batch.events)):
            answer = service.ingest(gateway=principal, request=batch, received_at=timezone.now())
        return HttpResponse(msgspec.json.encode(answer), content_type="application/json")
