"""Shared parts of REST endpoints: the principal of a request, and the organization that it is about."""

from typing import TYPE_CHECKING
from uuid import UUID

from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from apps.common.access import Principal
from apps.common.problems import Invalid, NotFound, Unauthenticated

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which itself imports this module, as its default permission


def renderers_for(media_type: str) -> list[type[JSONRenderer]]:
    """Return the `renderer_classes` of a view that renders another media type than JSON itself.

    A caller may accept that type, or JSON (`Accept`); problems are rendered as JSON either way.
    """
    return [JSONRenderer, type("Renderer", (JSONRenderer,), {"media_type": media_type})]


class OrganizationRequired(Invalid):
    """The caller belongs to several organizations and named none."""

    code = "organization_required"
    default_detail = "You belong to several organizations: name one with ?organization=<id>."


class HasPrincipal(BasePermission):
    """Permits requests with a principal only."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return whether the caller is authenticated."""
        return isinstance(request.user, Principal)


def principal_of(request: Request) -> Principal:
    """Return the caller. Raises Unauthenticated if there is none."""
    if not isinstance(request.user, Principal):
        raise Unauthenticated()
    return request.user


def organization_of(request: Request) -> UUID:
    """Return the organization that a request is about: `?organization=`, or the caller's only one.

    Raises OrganizationRequired, Invalid, or NotFound if the caller does not belong to it.
    """
    principal = principal_of(request)
    named = request.query_params.get("organization")
    if named is None:
        if len(principal.grants) == 1:
            return next(iter(principal.grants))
        if not principal.grants:
            raise NotFound("You belong to no organization.")
        raise OrganizationRequired()
    try:
        organization = UUID(named)
    except ValueError:
        raise Invalid("organization is not a UUID.", errors={"organization": ["Not a UUID."]}) from None
    if organization not in principal.grants:
        raise NotFound()
    return organization
