"""Push registrations of the caller: /api/v1/me/devices."""

from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import Platform
from apps.accounts.own_account import push, selectors
from apps.accounts.own_account.documents import (
    DevicesDocument,
    PushRegistrationDocument,
    push_registration_document,
)
from apps.accounts.own_account.serializers import PushRegistrationSerializer
from apps.common.access import require_person
from apps.common.http.api import principal_of
from apps.common.http.serializers import valid
from apps.tenancy.api.organizations import refusals

TAGS: Final = ["me"]
READ: Final = refusals(_401="`not_authenticated`", _403="`forbidden`")


class DevicesView(APIView):
    """The caller's own push registrations."""

    @extend_schema(
        operation_id="listMyDevices",
        summary="List your devices that receive alerts",
        tags=TAGS,
        responses={200: DevicesDocument, **READ},
    )
    def get(self, request: Request) -> Response:
        """Return all push registrations, oldest first; there are never many."""
        principal = principal_of(request)
        require_person(principal)
        registrations = selectors.own_push_registrations(principal)
        document = DevicesDocument([push_registration_document(one) for one in registrations])
        return Response(msgspec.to_builtins(document))

    @extend_schema(
        operation_id="registerMyDevice",
        summary="Receive alerts on this device",
        tags=TAGS,
        request=PushRegistrationSerializer,
        responses={
            200: PushRegistrationDocument,
            201: PushRegistrationDocument,
            **READ,
            **refusals(_400="`invalid`: `errors` names the fields."),
        },
    )
    def post(self, request: Request) -> Response:
        """Register the push token at each start of the app. A token belongs to the person who registered it last."""
        body = valid(PushRegistrationSerializer, request)
        registration, is_new = push.register(
            principal=principal_of(request),
            token=body["token"],
            platform=Platform(body["platform"]),
            app_version=body["app_version"],
            now=timezone.now(),
        )
        status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
        return Response(msgspec.to_builtins(push_registration_document(registration)), status=status)


class DeviceView(APIView):
    """One of the caller's own push registrations."""

    @extend_schema(
        operation_id="removeMyDevice",
        summary="Stop receiving alerts on this device",
        tags=TAGS,
        responses={204: None, **READ, **refusals(_404="`not_found`")},
    )
    def delete(self, request: Request, registration_id: UUID) -> Response:
        """Remove the registration; nothing more is sent to the device."""
        push.unregister(principal=principal_of(request), registration_id=registration_id)
        return Response(status=HTTPStatus.NO_CONTENT)
