"""Second factors and single sign-on."""

from uuid import UUID

from django.utils import timezone

from apps.accounts.models import IdentityDomain, IdentityProvider
from apps.accounts.single_sign_on.oidc import SECRET
from apps.common.db.scope import tenant_scope
from apps.common.encryption import encrypt
from tests.kit.school import School
from tests.matrix.entry import At, Entry
from tests.matrix.things import number, thing, word


@thing
def some_number(school: School) -> int:
    """A number that belongs to nothing."""
    return number()


@thing
def some_domain(school: School) -> str:
    """A mail domain that is not registered."""
    return f"{word()}.example"


@thing
def identity_domain(school: School) -> str:
    """A mail domain that is verified for the school."""
    with tenant_scope([school.organization]):
        return IdentityDomain.objects.create(
            organization_id=school.organization,
            domain=some_domain(school),
            verified_at=timezone.now(),
            verified_by=school.gateway,
        ).domain


@thing
def identity_provider(school: School) -> UUID:
    """One at an address without a server."""
    with tenant_scope([school.organization]):
        return IdentityProvider.objects.create(
            organization_id=school.organization,
            name="District",
            issuer=f"https://{word()}.invalid",
            client_id="safesignal",
            sealed_secret=encrypt("secret", purpose=SECRET, now=timezone.now()),
        ).id


ENTRIES = [
    Entry(
        "POST",
        "/api/v1/auth/login/second-factor",
        at=At.OPEN,
        ok=401,
        body=lambda _: {"challenge": "unknown", "code": "000000"},
    ),
    Entry("POST", "/api/v1/me/confirmation", at=At.SELF, ok=403, body=lambda _: {"password": "not known here"}),
    Entry("GET", "/api/v1/me/mfa", at=At.SELF),
    # Without X-Confirmation none of these has an effect: see tests/accounts/identity/test_second_factors.py.
    Entry("POST", "/api/v1/me/mfa/totp", at=At.SELF, ok=403),
    Entry("PUT", "/api/v1/me/mfa/totp", at=At.SELF, ok=400, body=lambda _: {"enrolment": "unknown", "code": "000000"}),
    Entry("DELETE", "/api/v1/me/mfa/totp", at=At.SELF, ok=403),
    Entry("POST", "/api/v1/me/mfa/passkeys", at=At.SELF, ok=403),
    Entry(
        "PUT",
        "/api/v1/me/mfa/passkeys",
        at=At.SELF,
        ok=400,
        body=lambda _: {"enrolment": "unknown", "name": "Phone", "credential": {}},
    ),
    Entry("DELETE", "/api/v1/me/mfa/passkeys/{some_number}", at=At.SELF, ok=403),
    Entry("POST", "/api/v1/me/mfa/recovery-codes", at=At.SELF, ok=403),
    # Responses of a provider are in tests/accounts/single_sign_on/test_single_sign_on.py: no server is at the address
    # of this one.
    Entry("GET", "/api/v1/auth/oidc?domain=school.example", at=At.OPEN),
    Entry("GET", "/api/v1/auth/oidc/{identity_provider}/start", at=At.OPEN, ok=401),
    Entry("GET", "/api/v1/auth/oidc/{identity_provider}/callback", at=At.OPEN, ok=401),
    Entry(
        "POST",
        "/api/v1/auth/oidc/token",
        at=At.OPEN,
        ok=400,
        body=lambda _: {"code": "unknown", "code_verifier": "x" * 43},
    ),
    Entry(
        "GET",
        "/api/v1/organizations/{organization}/identity-providers",
        "people:update",
        rows="identity_provider",
    ),
    Entry(
        "POST",
        "/api/v1/organizations/{organization}/identity-providers",
        "people:update",
        ok=201,
        body=lambda _: {
            "name": "District",
            "issuer": f"https://{word()}.example",
            "client_id": "safesignal",
            "client_secret": "secret",
        },
        changes="identity_provider.created",
    ),
    Entry("GET", "/api/v1/organizations/{organization}/identity-providers/{identity_provider}", "people:update"),
    Entry(
        "PATCH",
        "/api/v1/organizations/{organization}/identity-providers/{identity_provider}",
        "people:update",
        body=lambda _: {"name": "Another"},
        changes="identity_provider.updated",
    ),
    Entry(
        "DELETE",
        "/api/v1/organizations/{organization}/identity-providers/{identity_provider}",
        "people:update",
        ok=204,
        changes="identity_provider.deleted",
    ),
    Entry("GET", "/api/v1/organizations/{organization}/identity-domains", "people:update", rows="identity_domain"),
    Entry(
        "PUT",
        "/api/v1/organizations/{organization}/identity-domains/{some_domain}",
        "permissions:update",
        changes="identity_domain.verified",
    ),
    Entry(
        "DELETE",
        "/api/v1/organizations/{organization}/identity-domains/{identity_domain}",
        "permissions:update",
        ok=204,
        changes="identity_domain.withdrawn",
    ),
]
