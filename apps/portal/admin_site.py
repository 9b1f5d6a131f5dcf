"""The admin site of a school, with times in the school's own time zone."""

from collections.abc import Callable
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.utils import timezone

from apps.common.access import Principal
from apps.common.model_admin.site import PortalSite
from apps.tenancy import selectors


class SchoolSite(PortalSite):
    """The admin site that `safesignal.apps` uses instead of Django's."""

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., HttpResponseBase]:
        """Render times in the time zone of the caller's organizations, if they share one; else in UTC."""
        inner = super().admin_view(view, cacheable)

        def local(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            with timezone.override(_time_zone(getattr(request, "principal", None))):
                response = inner(request, *args, **kwargs)
                if isinstance(response, SimpleTemplateResponse):
                    response.render()
            return response

        return local


def _time_zone(principal: Principal | None) -> tzinfo:
    if principal is None:
        return UTC
    names = {selectors.settings_of(organization).timezone for organization in principal.grants}
    return ZoneInfo(names.pop()) if len(names) == 1 else UTC
