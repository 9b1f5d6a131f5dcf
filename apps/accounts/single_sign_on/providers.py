"""What an organization decides about single sign-on, and which mail domains the platform has found to be its own."""

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
from apps.common.encryption import seal
from apps.common.http.etags import require_match
from apps.common.problems import Conflict, Forbidden, NotFound

FIELDS: Final = frozenset({"name", "client_id", "role_claim", "role_map", "default_role", "is_active"})


class IssuerTaken(Conflict):
    """The organization has an identity provider of this issuer."""

    code = "issuer_taken"
    default_detail = "There is an identity provider of this issuer already: change that one."


def create(
    *, actor: Principal, organization_id: UUID, issuer: str, values: Mapping[str, object], now: datetime
) -> IdentityProvider:
    """Let people of the organization sign in at its own provider. Raises NotFound, Forbidden, IssuerTaken."""
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
    """Change all but the issuer. Out of use, it ends what it has opened.

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
    """Nobody signs in there any more, and what it has opened ends. Raises NotFound, Forbidden, PreconditionFailed."""
    provider = _locked(actor, organization_id, provider_id, if_match)
    _end_sign_ins(provider, now)
    _record(actor, provider, AuditAction.IDENTITY_PROVIDER_DELETED)
    provider.delete()


def verify_domain(*, actor: Principal, organization_id: UUID, domain: str, now: datetime) -> IdentityDomain:
    """Note that a mail domain is the organization's, as a visiting operator has found (a DNS record, a letter).

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
    """It is the organization's no more: no address in it links a sign-in from now on. Raises Forbidden, NotFound."""
    _require_visit(actor, organization_id)
    found = IdentityDomain.objects.filter(organization_id=organization_id, domain=domain.casefold()).first()
    if found is None:
        raise NotFound()
    _record_domain(actor, found, AuditAction.IDENTITY_DOMAIN_WITHDRAWN)
    found.delete()


def _require_visit(actor: Principal, organization_id: UUID) -> None:
    """For a platform operator who is visiting the organization: its own administrators vouch for no domain.

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
        provider.sealed_secret = seal(secret, purpose=SECRET, now=now)
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
    """All that rest on this provider, or on another of the organization's."""
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
