"""What every REST endpoint shares: the principal of a request, and the organization it speaks of."""

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
    """`renderer_classes` of a view that answers in another type than JSON, which it renders itself.

    A caller may ask for that type (`Accept`), or for JSON, in which refusals are rendered either way.
    """
    return [JSONRenderer, type("Renderer", (JSONRenderer,), {"media_type": media_type})]


class OrganizationRequired(Invalid):
    """The caller belongs to several organizations and named none."""

    code = "organization_required"
    default_detail = "You belong to several organizations: name one with ?organization=<id>."


class HasPrincipal(BasePermission):
    """No principal is a refusal."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Whether somebody is calling."""
        return isinstance(request.user, Principal)


def principal_of(request: Request) -> Principal:
    """The caller. Raises Unauthenticated when there is none."""
    if not isinstance(request.user, Principal):
        raise Unauthenticated()
    return request.user


def organization_of(request: Request) -> UUID:
    """The organization that a request is about: `?organization=`, or the caller's only one.

    Raises OrganizationRequired, Invalid, or NotFound for one that is not the caller's.
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
