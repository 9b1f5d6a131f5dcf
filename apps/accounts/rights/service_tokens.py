"""Service tokens: created and withdrawn by an organization's admins, for its other systems."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from apps.accounts.audit_actions import AuditAction
from apps.accounts.models import ServiceToken
from apps.accounts.rights.grants import SUPER_ADMIN
from apps.accounts.rights.people_only import PEOPLE_ONLY
from apps.accounts.rights.service_principals import digest_of_token, new_service_token
from apps.common.access import Grant, Principal, require
from apps.common.changes import record_change
from apps.common.db.ids import new_id
from apps.common.problems import Forbidden, Invalid, NotFound

LONGEST: Final = timedelta(days=366)
"""A year: after that a new token must be created, and a leaked old secret is worthless."""


def create(
    *,
    actor: Principal,
    organization_id: UUID,
    name: str,
    scopes: Collection[str],
    expires_at: datetime,
    now: datetime,
) -> tuple[ServiceToken, str]:
    """Create a service token; its secret is returned only here. Raises NotFound, Forbidden, Invalid."""
    grant = require(actor, organization_id, "service_tokens", "create")
    if grant.role == SUPER_ADMIN:
        raise Forbidden("A service token would outlive your visit: an administrator of the organization makes it.")
    if not now < expires_at <= now + LONGEST:
        raise Invalid(errors={"expires_at": [f"In the future, and at most {LONGEST.days} days from now."]})
    _require_holdable(scopes, grant)
    secret = new_service_token()
    token = ServiceToken.objects.create(
        id=new_id(),
        organization_id=organization_id,
        name=name,
        scopes=sorted(set(scopes)),
        digest=digest_of_token(secret),
        created_by=actor.id,
        created_at=now,
        expires_at=expires_at,
    )
    record_change(
        actor=actor,
        action=AuditAction.SERVICE_TOKEN_CREATED,
        target_kind="service_token",
        target_id=token.id,
        organization_id=organization_id,
        resource="service_tokens",
        scopes=" ".join(token.scopes),
    )
    return token, secret


def withdraw(*, actor: Principal, organization_id: UUID, token_id: UUID) -> None:
    """Withdraw a service token, which stops working immediately. Raises NotFound, Forbidden."""
    require(actor, organization_id, "service_tokens", "delete")
    deleted, _ = ServiceToken.objects.filter(organization_id=organization_id, pk=token_id).delete()
    if not deleted:
        raise NotFound()
    record_change(
        actor=actor,
        action=AuditAction.SERVICE_TOKEN_WITHDRAWN,
        target_kind="service_token",
        target_id=token_id,
        organization_id=organization_id,
        resource="service_tokens",
    )


def _require_holdable(scopes: Collection[str], grant: Grant) -> None:
    refused = []
    for scope in sorted(set(scopes)):
        resource, _, action = scope.partition(":")
        if (resource, action) in PEOPLE_ONLY:
            refused.append(f"{scope}: for people only.")
        elif (resource, action) not in grant.permissions:
            refused.append(f"{scope}: not a right of yours.")
    if refused:
        raise Invalid(errors={"scopes": refused})
