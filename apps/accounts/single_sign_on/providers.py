"""Identity providers that organizations configure, and mail domains that platform operators have verified."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.accounts.audit_actions import AuditAction
from apps.accounts.models import ExternalIdentity, IdentityDomain, IdentityProvider, SignIn
from apps.accounts.rights.grants import SUPER_ADMIN
from apps.accounts.single_sign_on.documents import identity_provider_document
from apps.accounts.single_sign_on.oidc import SECRET
from apps.common import audit
from apps.common.access import Principal, SecondFactorNeeded, require
from apps.common.encryption import encrypt
from apps.common.http.writes.etags import require_match
from apps.common.problems import Conflict, Forbidden, NotFound

FIELDS: Final = frozenset({"name", "client_id", "role_claim", "role_map", "default_role", "is_active"})


class IssuerTaken(Conflict):
    """The organization already has an identity provider with this issuer."""

    code = "issuer_taken"
    default_detail = "There is an identity provider of this issuer already: change that one."


def create(
    *, actor: Principal, organization_id: UUID, issuer: str, values: Mapping[str, object], now: datetime
) -> IdentityProvider:
    """Add an identity provider for people of the organization. Raises NotFound, Forbidden, IssuerTaken."""
    require(actor, organization_id, "people", "update")
    provider = IdentityProvider(organization_id=organization_id, issuer=issuer, created_at=now)
    _fill(provider, values, now)
    try:
        with transaction.atomic():
            provider.save(force_insert=True)
    except IntegrityError:
        raise IssuerTaken(errors={"issuer": ["There is one already."]}) from None
    _record(actor, provider, AuditAction.IDENTITY_PROVIDER_CREATED)
    return provider


def update(
    *,
    actor: Principal,
    organization_id: UUID,
    provider_id: UUID,
    values: Mapping[str, object],
    if_match: str | None,
    now: datetime,
) -> IdentityProvider:
    """Change a provider, except its issuer. Disabling it ends the sign-ins made with it.

    Raises NotFound, Forbidden, PreconditionFailed.
    """
    provider = _locked(actor, organization_id, provider_id, if_match)
    _fill(provider, values, now)
    provider.save()
    if not provider.is_active:
        _end_sign_ins(provider, now)
    _record(actor, provider, AuditAction.IDENTITY_PROVIDER_UPDATED, fields=", ".join(sorted(values)))
    return provider


def delete(*, actor: Principal, organization_id: UUID, provider_id: UUID, if_match: str | None, now: datetime) -> None:
    """Delete a provider and end the sign-ins made with it. Raises NotFound, Forbidden, PreconditionFailed."""
    provider = _locked(actor, organization_id, provider_id, if_match)
    _end_sign_ins(provider, now)
    _record(actor, provider, AuditAction.IDENTITY_PROVIDER_DELETED)
    provider.delete()


def verify_domain(*, actor: Principal, organization_id: UUID, domain: str, now: datetime) -> IdentityDomain:
    """Record that a mail domain belongs to the organization, as verified by a visiting operator (DNS record, letter).

    Raises Forbidden, NotFound.
    """
    _require_visit(actor, organization_id)
    found, is_new = IdentityDomain.objects.get_or_create(
        organization_id=organization_id,
        domain=domain.casefold(),
        defaults={"verified_at": now, "verified_by": actor.id},
    )
    if is_new:
        _record_domain(actor, found, AuditAction.IDENTITY_DOMAIN_VERIFIED)
    return found


def withdraw_domain(*, actor: Principal, organization_id: UUID, domain: str) -> None:
    """Remove a verified domain, so that its addresses no longer link sign-ins. Raises Forbidden, NotFound."""
    _require_visit(actor, organization_id)
    found = IdentityDomain.objects.filter(organization_id=organization_id, domain=domain.casefold()).first()
    if found is None:
        raise NotFound()
    _record_domain(actor, found, AuditAction.IDENTITY_DOMAIN_WITHDRAWN)
    found.delete()


def _require_visit(actor: Principal, organization_id: UUID) -> None:
    """Require a platform operator who is visiting the organization: its own administrators cannot verify domains.

    Raises SecondFactorNeeded, NotFound, Forbidden.
    """
    if actor.needs_second_factor:
        raise SecondFactorNeeded()
    grant = require(actor, organization_id, "people", "update")
    if grant.role != SUPER_ADMIN:
        raise Forbidden("Only operators of the platform may do this, during a visit.")


def _fill(provider: IdentityProvider, values: Mapping[str, object], now: datetime) -> None:
    for name in FIELDS & values.keys():
        setattr(provider, name, values[name])
    secret = values.get("client_secret")
    if isinstance(secret, str):
        provider.sealed_secret = encrypt(secret, purpose=SECRET, now=now)
    provider.updated_at = now


def _locked(actor: Principal, organization_id: UUID, provider_id: UUID, if_match: str | None) -> IdentityProvider:
    require(actor, organization_id, "people", "update")
    provider = (
        IdentityProvider.objects.select_for_update().filter(organization_id=organization_id, id=provider_id).first()
    )
    if provider is None:
        raise NotFound()
    require_match(if_match, identity_provider_document(provider))
    return provider


def _end_sign_ins(provider: IdentityProvider, now: datetime) -> None:
    """End all sign-ins that depend on this provider or another one of the organization."""
    people = ExternalIdentity.objects.filter(provider=provider).values_list("user_id", flat=True)
    SignIn.objects.filter(user_id__in=list(people), only_organization=provider.organization_id).delete()


def _record(actor: Principal, provider: IdentityProvider, action: AuditAction, **detail: str) -> None:
    audit.record(
        actor=actor,
        action=action,
        target_kind="identity_provider",
        target_id=provider.id,
        organization_id=provider.organization_id,
        issuer=provider.issuer,
        **detail,
    )


def _record_domain(actor: Principal, domain: IdentityDomain, action: AuditAction) -> None:
    audit.record(
        actor=actor,
        action=action,
        target_kind="identity_domain",
        target_id=domain.id,
        organization_id=domain.organization_id,
        domain=domain.domain,
    )
