"""/api/v1/organizations/{id}/service-tokens: keys for an organization's other systems."""

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
from apps.accounts.rights.documents import (
    NewServiceTokenDocument,
    ServiceTokenDocument,
    new_service_token_document,
    service_token_document,
)
from apps.accounts.rights.serializers import ServiceTokenSerializer
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
        responses={200: page_of(ServiceTokenDocument), **LISTED},
    )
    def get(self, request: Request, organization_id: UUID) -> Response:
        """Return one page, newest first, including expired tokens, with scopes, expiry and last use of each."""
        page = selectors.service_tokens_page(
            principal=principal_of(request), organization_id=organization_id, query=page_query(request)
        )
        return page_response(
            request, page, [msgspec.to_builtins(service_token_document(token)) for token in page.items]
        )

    @extend_schema(
        operation_id="createServiceToken",
        summary="Create a service token",
        tags=TAGS,
        request=ServiceTokenSerializer,
        responses={
            201: NewServiceTokenDocument,
            **READ,
            **refusals(_400="`invalid`: `errors` names the fields; for `scopes`, each that cannot be given."),
        },
    )
    def post(self, request: Request, organization_id: UUID) -> Response:
        """Create a token; `token` is returned only once. It has the rights of its scopes in this organization, but
        never those reserved for people, such as answering alarms or changing permissions.
        """
        body = ServiceTokenSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        token, secret = service_tokens.create(
            actor=principal_of(request), organization_id=organization_id, now=timezone.now(), **body.validated_data
        )
        answer = msgspec.to_builtins(new_service_token_document(token, secret))
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
        """Withdraw the token, which stops working immediately."""
        service_tokens.withdraw(actor=principal_of(request), organization_id=organization_id, token_id=token_id)
        return Response(status=HTTPStatus.NO_CONTENT)
