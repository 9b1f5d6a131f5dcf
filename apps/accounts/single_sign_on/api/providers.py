"""/api/v1/organizations/{id}/identity-providers and …/identity-domains."""

from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.single_sign_on import providers, selectors
from apps.accounts.single_sign_on.documents import (
    IdentityDomainDocument,
    IdentityDomainsDocument,
    IdentityProviderDocument,
    identity_domain_document,
    identity_provider_document,
)
from apps.accounts.single_sign_on.serializers import ChangedIdentityProviderSerializer, IdentityProviderSerializer
from apps.common.http.api import principal_of
from apps.common.http.pagination import PAGE_PARAMETERS, page_of, page_query, page_response
from apps.common.http.writes.etags import IF_MATCH, if_match_of, tagged
from apps.tenancy.api.organizations import LISTED, READ, WRITE, refusals

TAGS: Final = ["single sign-on"]


class IdentityProvidersView(APIView):
    """Identity providers of an organization."""

    @extend_schema(
        operation_id="listIdentityProviders",
        summary="List identity providers",
        tags=TAGS,
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(IdentityProviderDocument), **LISTED},
    )
    def get(self, request: Request, organization_id: UUID) -> Response:
        """Return one page, oldest first."""
        page = selectors.identity_providers_page(
            principal=principal_of(request), organization_id=organization_id, query=page_query(request)
        )
        return page_response(request, page, [msgspec.to_builtins(identity_provider_document(p)) for p in page.items])

    @extend_schema(
        operation_id="createIdentityProvider",
        summary="Add an identity provider",
        tags=TAGS,
        request=IdentityProviderSerializer,
        responses={201: IdentityProviderDocument, **WRITE, **refusals(_409="`issuer_taken`")},
    )
    def post(self, request: Request, organization_id: UUID) -> Response:
        """Add a provider, trusted only in this organization and for addresses in its verified domains."""
        body = IdentityProviderSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        provider = providers.create(
            actor=principal_of(request),
            organization_id=organization_id,
            issuer=body.validated_data["issuer"],
            values=body.validated_data,
            now=timezone.now(),
        )
        return tagged(identity_provider_document(provider), HTTPStatus.CREATED)


class IdentityProviderView(APIView):
    """One identity provider."""

    @extend_schema(
        operation_id="getIdentityProvider",
        summary="Read an identity provider",
        tags=TAGS,
        responses={200: IdentityProviderDocument, **READ},
    )
    def get(self, request: Request, organization_id: UUID, provider_id: UUID) -> Response:
        """Return the provider without its secret."""
        provider = selectors.identity_provider(
            principal=principal_of(request), organization_id=organization_id, provider_id=provider_id
        )
        return tagged(identity_provider_document(provider))

    @extend_schema(
        operation_id="updateIdentityProvider",
        summary="Change an identity provider",
        tags=TAGS,
        parameters=[IF_MATCH],
        request=ChangedIdentityProviderSerializer(partial=True),
        responses={200: IdentityProviderDocument, **WRITE},
    )
    def patch(self, request: Request, organization_id: UUID, provider_id: UUID) -> Response:
        """Change the given fields. Disabling a provider ends the sign-ins made with it."""
        body = ChangedIdentityProviderSerializer(data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        provider = providers.update(
            actor=principal_of(request),
            organization_id=organization_id,
            provider_id=provider_id,
            values=body.validated_data,
            if_match=if_match_of(request),
            now=timezone.now(),
        )
        return tagged(identity_provider_document(provider))

    @extend_schema(
        operation_id="deleteIdentityProvider",
        summary="Remove an identity provider",
        tags=TAGS,
        parameters=[IF_MATCH],
        responses={204: None, **WRITE},
    )
    def delete(self, request: Request, organization_id: UUID, provider_id: UUID) -> Response:
        """Remove the provider and end the sign-ins made with it; accounts and memberships stay."""
        providers.delete(
            actor=principal_of(request),
            organization_id=organization_id,
            provider_id=provider_id,
            if_match=if_match_of(request),
            now=timezone.now(),
        )
        return Response(status=HTTPStatus.NO_CONTENT)


class IdentityDomainsView(APIView):
    """The mail domains for which an organization's identity providers are trusted."""

    @extend_schema(
        operation_id="listIdentityDomains",
        summary="List verified mail domains",
        tags=TAGS,
        responses={200: IdentityDomainsDocument, **READ},
    )
    def get(self, request: Request, organization_id: UUID) -> Response:
        """Return all verified domains, by name."""
        domains = selectors.identity_domains(principal=principal_of(request), organization_id=organization_id)
        document = IdentityDomainsDocument([identity_domain_document(one) for one in domains])
        return Response(msgspec.to_builtins(document))


class IdentityDomainView(APIView):
    """One verified domain; for platform operators."""

    @extend_schema(
        operation_id="verifyIdentityDomain",
        summary="Add a verified mail domain",
        tags=TAGS,
        request=None,
        responses={200: IdentityDomainDocument, **READ},
    )
    def put(self, request: Request, organization_id: UUID, domain: str) -> Response:
        """Add a domain after ownership was proved to the platform operators, for example with a DNS record."""
        found = providers.verify_domain(
            actor=principal_of(request), organization_id=organization_id, domain=domain, now=timezone.now()
        )
        return Response(msgspec.to_builtins(identity_domain_document(found)))

    @extend_schema(
        operation_id="withdrawIdentityDomain",
        summary="Remove a verified mail domain",
        tags=TAGS,
        responses={204: None, **READ},
    )
    def delete(self, request: Request, organization_id: UUID, domain: str) -> Response:
        """Remove the domain: its addresses no longer link sign-ins to accounts; existing links stay."""
        providers.withdraw_domain(actor=principal_of(request), organization_id=organization_id, domain=domain)
        return Response(status=HTTPStatus.NO_CONTENT)
