"""Reads of visits, roles and service tokens."""

from uuid import UUID

from apps.accounts.models import Permission, ServiceToken, Visit
from apps.common.access import Principal, require
from apps.common.db.scope import widen_scope
from apps.common.http.pagination import Page, PageQuery, keyset_page


def visits_page(*, principal: Principal, organization_id: UUID, query: PageQuery) -> Page[Visit]:
    """Return a page of visits to an organization, newest first, for its admins and for platform operators.

    Raises NotFound, Forbidden.
    """
    if principal.is_super_admin:
        widen_scope([organization_id])
    else:
        require(principal, organization_id, "audit", "read")
    visits = Visit.objects.filter(organization_id=organization_id).select_related("user")
    return keyset_page(visits, by="started_at", query=query, descending=True)


def permissions_of(role: str) -> list[str]:
    """Return a role's permissions from the table: `resource:action`, in order."""
    rows = Permission.objects.filter(role=role).values_list("resource", "action")
    return sorted(f"{resource}:{action}" for resource, action in rows)


def service_tokens_page(*, principal: Principal, organization_id: UUID, query: PageQuery) -> Page[ServiceToken]:
    """Return a page of service tokens, newest first, including expired ones. Raises NotFound, Forbidden."""
    require(principal, organization_id, "service_tokens", "read")
    tokens = ServiceToken.objects.filter(organization_id=organization_id)
    return keyset_page(tokens, by="created_at", query=query, descending=True)
