"""Response documents of identity providers and domains."""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from apps.accounts.models import IdentityDomain, IdentityProvider
from apps.common.times import rfc3339


class IdentityProviderDocument(msgspec.Struct, frozen=True):
    """An organization's identity provider. Its secret is not returned."""

    id: UUID
    organization: UUID
    name: str
    issuer: str
    client_id: str
    role_claim: str | None
    role_map: Mapping[str, str]
    default_role: str | None
    is_active: bool
    created_at: str


class IdentityDomainDocument(msgspec.Struct, frozen=True):
    """A verified mail domain of an organization."""

    domain: str
    verified_at: str


class SignInPlaceDocument(msgspec.Struct, frozen=True):
    """An identity provider where people with an address in a domain can sign in."""

    id: UUID
    name: str
    organization: str


def identity_provider_document(provider: IdentityProvider) -> IdentityProviderDocument:
    """Build the document of an identity provider."""
    return IdentityProviderDocument(
        id=provider.id,
        organization=provider.organization_id,
        name=provider.name,
        issuer=provider.issuer,
        client_id=provider.client_id,
        role_claim=provider.role_claim,
        role_map=provider.role_map,
        default_role=provider.default_role,
        is_active=provider.is_active,
        created_at=rfc3339(provider.created_at),
    )


def identity_domain_document(domain: IdentityDomain) -> IdentityDomainDocument:
    """Build the document of a verified domain."""
    return IdentityDomainDocument(domain=domain.domain, verified_at=rfc3339(domain.verified_at))
