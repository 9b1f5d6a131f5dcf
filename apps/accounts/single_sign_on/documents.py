"""Response documents of identity providers and domains."""

from collections.abc import Mapping, Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from apps.accounts.models import IdentityDomain, IdentityProvider
from apps.accounts.people.documents import RoleName
from apps.accounts.single_sign_on import examples
from apps.common.openapi.examples import openapi_example
from apps.common.openapi.members import Timestamp
from apps.common.times import rfc3339


@openapi_example(response=examples.RESPONSE)
class IdentityProviderDocument(msgspec.Struct, frozen=True):
    """An OpenID Connect issuer with our credentials. Register `…/api/v1/auth/oidc/{id}/callback` there."""

    id: UUID
    organization: UUID
    name: Annotated[str, Meta(description="Name for people: Google, Microsoft, the district.")]
    issuer: Annotated[str, Meta(description="Exactly as in its discovery document.")]
    client_id: str
    role_claim: Annotated[str | None, Meta(description="The claim that lists groups or roles.")]
    role_map: Annotated[Mapping[str, RoleName], Meta(description="Maps values of that claim to roles.")]
    default_role: Annotated[
        RoleName | None,
        Meta(description="Role of people without a mapped group; null: they cannot sign in."),
    ]
    is_active: bool
    created_at: Timestamp


@openapi_example(response=examples.DOMAIN)
class IdentityDomainDocument(msgspec.Struct, frozen=True):
    """A verified mail domain of the organization."""

    domain: str
    verified_at: Timestamp


@openapi_example(response={"results": [examples.DOMAIN]})
class IdentityDomainsDocument(msgspec.Struct, frozen=True):
    """All verified mail domains."""

    results: Sequence[IdentityDomainDocument]


class SignInPlaceDocument(msgspec.Struct, frozen=True):
    """An identity provider to sign in with: start at `/auth/oidc/{id}/start`."""

    id: UUID
    name: str
    organization: Annotated[str, Meta(description="Its name.")]


@openapi_example(response={"results": [examples.PLACE]})
class SignInPlacesDocument(msgspec.Struct, frozen=True):
    """All identity providers of a mail domain."""

    results: Sequence[SignInPlaceDocument]


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
