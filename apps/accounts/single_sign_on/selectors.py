"""Reads of identity providers and domains."""

from uuid import UUID

from django.db import connection

from apps.accounts.models import IdentityDomain, IdentityProvider
from apps.accounts.single_sign_on.documents import SignInPlaceDocument
from apps.common.access import Principal, require
from apps.common.http.pagination import Page, PageQuery, keyset_page
from apps.common.problems import NotFound


def identity_provider_organization(provider_id: UUID) -> UUID | None:
    """Return the organization of an enabled identity provider, before any tenant scope is open; else None."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT identity_provider_organization(%s)", [provider_id])
        (organization,) = cursor.fetchone()
        return organization if isinstance(organization, UUID) else None


def sign_in_places(domain: str) -> list[SignInPlaceDocument]:
    """Return the identity providers where people with addresses in this domain sign in."""
    if "\x00" in domain:
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, name, organization FROM identity_providers_of_domain(%s)", [domain.casefold()])
        return [SignInPlaceDocument(*row) for row in cursor.fetchall()]


def identity_providers_page(*, principal: Principal, organization_id: UUID, query: PageQuery) -> Page[IdentityProvider]:
    """Return a page of an organization's identity providers, oldest first. Raises NotFound, Forbidden."""
    require(principal, organization_id, "people", "update")
    return keyset_page(IdentityProvider.objects.filter(organization_id=organization_id), by="created_at", query=query)


def identity_provider(*, principal: Principal, organization_id: UUID, provider_id: UUID) -> IdentityProvider:
    """Return one identity provider. Raises NotFound, Forbidden."""
    require(principal, organization_id, "people", "update")
    found = IdentityProvider.objects.filter(organization_id=organization_id, id=provider_id).first()
    if found is None:
        raise NotFound()
    return found


def identity_domains(*, principal: Principal, organization_id: UUID) -> list[IdentityDomain]:
    """Return the organization's verified mail domains, by name. Raises NotFound, Forbidden."""
    require(principal, organization_id, "people", "update")
    return list(IdentityDomain.objects.filter(organization_id=organization_id).order_by("domain"))
