"""Alerts for people: list, one, acknowledge, resolve."""

import json
from collections.abc import Collection
from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.alerts import drills, lifecycle, selectors, services
from apps.alerts.api.serializers import ArmDrillSerializer, IllegalTransitionSerializer, ResolveSerializer
from apps.alerts.documents import AlertDocument, ArmedButtonsDocument, ArmedDrillDocument, AwaitingDocument
from apps.alerts.lifecycle import IllegalTransition
from apps.alerts.models import AlertStatus
from apps.common.http.api import organization_of, principal_of
from apps.common.http.endpoints import exempt_from_rate_limit
from apps.common.http.pagination import PAGE_PARAMETERS, link, page_of, page_query
from apps.common.problems import Invalid, ProblemSerializer

STATUS_FILTERS: Final[dict[str, Collection[AlertStatus]]] = {
    "open": lifecycle.OPEN,
    **{status.value: (status,) for status in AlertStatus},
}


@exempt_from_rate_limit
class AlertListView(APIView):
    """Alerts of an organization, newest first."""

    @extend_schema(
        operation_id="listAlerts",
        summary="List alerts",
        tags=["alerts"],
        parameters=[
            OpenApiParameter("organization", OpenApiTypes.UUID, description="Needed when you belong to several."),
            OpenApiParameter(
                "status", OpenApiTypes.STR, enum=list(STATUS_FILTERS), description="Default: every status."
            ),
            *PAGE_PARAMETERS,
        ],
        responses={200: page_of(AlertDocument), (400, "application/problem+json"): ProblemSerializer},
    )
    def get(self, request: Request) -> HttpResponse:
        """One page."""
        page = selectors.alert_page(
            principal=principal_of(request),
            organization=organization_of(request),
            statuses=_statuses(request.query_params.get("status")),
            query=page_query(request),
        )
        ways = (json.dumps(link(request, position)) for position in (page.next, page.previous))
        body = '{{"next":{},"previous":{},"results":[{}]}}'.format(*ways, ",".join(row.document for row in page.items))
        return HttpResponse(body, content_type="application/json")


@exempt_from_rate_limit
class AlertView(APIView):
    """One alert."""

    @extend_schema(
        operation_id="getAlert",
        summary="Read an alert",
        tags=["alerts"],
        responses={200: AlertDocument, (404, "application/problem+json"): ProblemSerializer},
    )
    def get(self, request: Request, alert_uuid: UUID) -> HttpResponse:
        """The alert as it is now."""
        document = selectors.alert_document(principal=principal_of(request), alert_uuid=alert_uuid)
        return HttpResponse(document, content_type="application/json")


@exempt_from_rate_limit
class AcknowledgeView(APIView):
    """Acknowledge an alert."""

    @extend_schema(
        operation_id="acknowledgeAlert",
        summary="Acknowledge an alert",
        tags=["alerts"],
        request=None,
        responses={200: AlertDocument, (409, "application/problem+json"): IllegalTransitionSerializer},
    )
    def put(self, request: Request, alert_uuid: UUID) -> HttpResponse:
        """Acknowledge the alert; a repeated request gets the same response."""
        principal = principal_of(request)
        try:
            services.acknowledge(principal=principal, alert_uuid=alert_uuid, now=timezone.now())
        except IllegalTransition as refusal:
            raise _with_current(refusal, request, alert_uuid) from None
        return _document(request, alert_uuid)


@exempt_from_rate_limit
class ResolveView(APIView):
    """Resolve an alert; ending a lockdown takes two different people."""

    @extend_schema(
        operation_id="resolveAlert",
        summary="Resolve an alert",
        tags=["alerts"],
        request=ResolveSerializer,
        responses={
            200: AlertDocument,
            202: AwaitingDocument,
            (409, "application/problem+json"): IllegalTransitionSerializer,
        },
    )
    def put(self, request: Request, alert_uuid: UUID) -> HttpResponse:
        """Resolve the alert, or record the first of two approvals."""
        body = ResolveSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            outcome = services.resolve(
                principal=principal_of(request),
                alert_uuid=alert_uuid,
                reason=body.validated_data.get("reason"),
                now=timezone.now(),
            )
        except IllegalTransition as refusal:
            raise _with_current(refusal, request, alert_uuid) from None
        if not outcome.awaiting_second_person:
            return _document(request, alert_uuid)
        document = selectors.document_after_act(principal=principal_of(request), alert_uuid=alert_uuid)
        return HttpResponse(
            f'{{"code":"awaiting_second_person","alert":{document}}}',
            content_type="application/json",
            status=HTTPStatus.ACCEPTED,
        )


class DrillsView(APIView):
    """Arm buttons for drills, and list the armed ones."""

    @extend_schema(
        operation_id="listArmedButtons",
        summary="List armed buttons",
        tags=["drills"],
        parameters=[OpenApiParameter("organization", OpenApiTypes.UUID)],
        responses={200: ArmedButtonsDocument, (400, "application/problem+json"): ProblemSerializer},
    )
    def get(self, request: Request) -> HttpResponse:
        """List the buttons whose next press is a drill, where the caller may read open alerts."""
        documents = selectors.armed_buttons(
            principal=principal_of(request), organization=organization_of(request), now=timezone.now()
        )
        return HttpResponse(f'{{"results":[{",".join(documents)}]}}', content_type="application/json")

    @extend_schema(
        operation_id="armDrill",
        summary="Arm a button for a drill",
        tags=["drills"],
        parameters=[OpenApiParameter("organization", OpenApiTypes.UUID)],
        request=ArmDrillSerializer,
        responses={
            201: ArmedDrillDocument,
            (400, "application/problem+json"): ProblemSerializer,
            (404, "application/problem+json"): ProblemSerializer,
            (409, "application/problem+json"): ProblemSerializer,
        },
    )
    def post(self, request: Request) -> Response:
        """Arm one button for a minute: its next press is a drill."""
        body = ArmDrillSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        drill = drills.arm(
            principal=principal_of(request),
            organization=organization_of(request),
            device_id=body.validated_data["device_id"],
            now=timezone.now(),
        )
        document = ArmedDrillDocument(drill.device_id, drill.expires_at)
        return Response(msgspec.to_builtins(document), status=HTTPStatus.CREATED)


def _document(request: Request, alert_uuid: UUID) -> HttpResponse:
    document = selectors.document_after_act(principal=principal_of(request), alert_uuid=alert_uuid)
    return HttpResponse(document, content_type="application/json")


def _with_current(refusal: IllegalTransition, request: Request, alert_uuid: UUID) -> IllegalTransition:
    """Return the refusal with the current alert added, so that a client can display the real state at once."""
    document = selectors.document_after_act(principal=principal_of(request), alert_uuid=alert_uuid)
    return IllegalTransition(refusal.detail, current=json.loads(document))


def _statuses(named: str | None) -> Collection[AlertStatus]:
    if named is None:
        return tuple(AlertStatus)
    if named not in STATUS_FILTERS:
        raise Invalid("status is not valid.", errors={"status": [f"One of {', '.join(STATUS_FILTERS)}."]})
    return STATUS_FILTERS[named]
