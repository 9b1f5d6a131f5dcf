"""/api/v1/organizations/{id}/service-tokens: keys of an organization's other systems."""

from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.rights import selectors, service_tokens
from apps.accounts.rights.documents import service_token_document
from apps.accounts.rights.serializers import NewServiceTokenSerializer, ServiceTokenSerializer
from apps.common.http.api import principal_of
from apps.common.http.pagination import PAGE_PARAMETERS, page_of, page_query, page_response
from apps.tenancy.api.organizations import LISTED, READ, refusals

TAGS: Final = ["service tokens"]


class ServiceTokensView(APIView):
    """An organization's service tokens."""

    @extend_schema(
        operation_id="listServiceTokens",
        summary="List service tokens",
        tags=TAGS,
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(ServiceTokenSerializer), **LISTED},
    )
    def get(self, request: Request, organization_id: UUID) -> Response:
        """One page, the newest first, expired ones too; what each may, until when, and when it was last used."""
        page = selectors.service_tokens_page(
            principal=principal_of(request), organization_id=organization_id, query=page_query(request)
        )
        return page_response(
            request, page, [msgspec.to_builtins(service_token_document(token)) for token in page.items]
        )

    @extend_schema(
        operation_id="createServiceToken",
        summary="Make a service token",
        tags=TAGS,
        request=ServiceTokenSerializer,
        responses={
            201: NewServiceTokenSerializer,
            **READ,
            **refusals(_400="`invalid`: `errors` names the fields; of `scopes` each that can not be given."),
        },
    )
    def post(self, request: Request, organization_id: UUID) -> Response:
        """`token` is told this once. It may what its scopes say, in this organization, and never what is for people:
        to answer alarms, or to say who may what.
        """
        body = ServiceTokenSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        token, secret = service_tokens.create(
            actor=principal_of(request), organization_id=organization_id, now=timezone.now(), **body.validated_data
        )
        answer = {**msgspec.to_builtins(service_token_document(token)), "token": secret}
        return Response(answer, status=HTTPStatus.CREATED, headers={"Cache-Control": "no-store"})


class ServiceTokenView(APIView):
    """One service token."""

    @extend_schema(
        operation_id="withdrawServiceToken",
        summary="Withdraw a service token",
        tags=TAGS,
        responses={204: None, **READ},
    )
    def delete(self, request: Request, organization_id: UUID, token_id: UUID) -> Response:
        """It opens nothing from now on."""
        service_tokens.withdraw(actor=principal_of(request), organization_id=organization_id, token_id=token_id)
        return Response(status=HTTPStatus.NO_CONTENT)
