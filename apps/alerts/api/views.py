"""Alerts for people: list, one, acknowledge, resolve."""

import json
from http import HTTPStatus
from typing import Final
from uuid import UUID

from django.http import HttpResponse, QueryDict
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.alerts import drills, lifecycle, selectors, services
from apps.alerts.api.serializers import (
    AlertPageSerializer,
    AlertSerializer,
    ArmDrillSerializer,
    ArmedDrillSerializer,
    AwaitingSerializer,
    ResolveSerializer,
)
from apps.alerts.lifecycle import IllegalTransition
from apps.alerts.models import AlertStatus
from apps.common.api import organization_of, principal_of
from apps.common.doors import never_refused
from apps.common.problems import Invalid, ProblemSerializer

DEFAULT_PAGE: Final = 25
STATUS_FILTERS: Final = {"open": lifecycle.OPEN, **{status.value: (status,) for status in AlertStatus}}


@never_refused
class AlertListView(APIView):
    """Alerts of an organization, newest first."""

    @extend_schema(
        operation_id="listAlerts",
        parameters=[
            OpenApiParameter("organization", OpenApiTypes.UUID, description="Needed when you belong to several."),
            OpenApiParameter(
                "status", OpenApiTypes.STR, enum=list(STATUS_FILTERS), description="Default: every status."
            ),
            OpenApiParameter(
                "limit", OpenApiTypes.INT, description=f"1 to {selectors.MAX_PAGE}, default {DEFAULT_PAGE}."
            ),
            OpenApiParameter("cursor", OpenApiTypes.STR, description="From `next` or `previous` of a page."),
        ],
        responses={200: AlertPageSerializer, (400, "application/problem+json"): ProblemSerializer},
    )
    def get(self, request: Request) -> HttpResponse:
        """One page."""
        query = request.query_params
        cursor = query.get("cursor")
        page = selectors.alert_page(
            principal=principal_of(request),
            organization=organization_of(request),
            statuses=_statuses(query.get("status")),
            limit=_limit(query.get("limit")),
            cursor=selectors.Cursor.decode(cursor) if cursor else None,
        )
        links = [_link(request, page.next), _link(request, page.previous)]
        body = f'{{"next":{links[0]},"previous":{links[1]},"results":[{",".join(page.documents)}]}}'
        return HttpResponse(body, content_type="application/json")


@never_refused
class AlertView(APIView):
    """One alert."""

    @extend_schema(
        operation_id="getAlert", responses={200: AlertSerializer, (404, "application/problem+json"): ProblemSerializer}
    )
    def get(self, request: Request, alert_uuid: UUID) -> HttpResponse:
        """The alert as it is now."""
        document = selectors.alert_document(principal=principal_of(request), alert_uuid=alert_uuid)
        return HttpResponse(document, content_type="application/json")


@never_refused
class AcknowledgeView(APIView):
    """Take an alert."""

    @extend_schema(
        operation_id="acknowledgeAlert",
        request=None,
        responses={200: AlertSerializer, (409, "application/problem+json"): ProblemSerializer},
    )
    def put(self, request: Request, alert_uuid: UUID) -> HttpResponse:
        """Acknowledge; a repeat answers as the first did."""
        principal = principal_of(request)
        try:
            services.acknowledge(principal=principal, alert_uuid=alert_uuid, now=timezone.now())
        except IllegalTransition as refusal:
            raise _with_current(refusal, request, alert_uuid) from None
        return _document(request, alert_uuid)


@never_refused
class ResolveView(APIView):
    """End an alert; a lockdown is ended by two different persons."""

    @extend_schema(
        operation_id="resolveAlert",
        request=ResolveSerializer,
        responses={
            200: AlertSerializer,
            202: AwaitingSerializer,
            (409, "application/problem+json"): ProblemSerializer,
        },
    )
    def put(self, request: Request, alert_uuid: UUID) -> HttpResponse:
        """Resolve, or be the first of two."""
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
    """Start drills."""

    @extend_schema(
        operation_id="armDrill",
        parameters=[OpenApiParameter("organization", OpenApiTypes.UUID)],
        request=ArmDrillSerializer,
        responses={
            201: ArmedDrillSerializer,
            (400, "application/problem+json"): ProblemSerializer,
            (404, "application/problem+json"): ProblemSerializer,
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
        return Response(ArmedDrillSerializer(drill).data, status=HTTPStatus.CREATED)


def _document(request: Request, alert_uuid: UUID) -> HttpResponse:
    document = selectors.document_after_act(principal=principal_of(request), alert_uuid=alert_uuid)
    return HttpResponse(document, content_type="application/json")


def _with_current(refusal: IllegalTransition, request: Request, alert_uuid: UUID) -> IllegalTransition:
    """The refusal, with the alert as it is now, so that a screen can show the truth at once."""
    document = selectors.document_after_act(principal=principal_of(request), alert_uuid=alert_uuid)
    return IllegalTransition(refusal.detail, current=json.loads(document))


def _statuses(named: str | None) -> tuple[AlertStatus, ...]:
    if named is None:
        return tuple(AlertStatus)
    if named not in STATUS_FILTERS:
        raise Invalid("status is not known.", errors={"status": [f"One of {', '.join(STATUS_FILTERS)}."]})
    return STATUS_FILTERS[named]


def _limit(named: str | None) -> int:
    if named is None:
        return DEFAULT_PAGE
    if not named.isascii() or not named.isdigit() or not 1 <= int(named) <= selectors.MAX_PAGE:
        raise Invalid("limit is out of range.", errors={"limit": [f"A number from 1 to {selectors.MAX_PAGE}."]})
    return int(named)


def _link(request: Request, cursor: selectors.Cursor | None) -> str:
    if cursor is None:
        return "null"
    query: QueryDict = request.query_params.copy()
    query["cursor"] = cursor.encode()
    return f'"{request.build_absolute_uri(request.path)}?{query.urlencode()}"'
