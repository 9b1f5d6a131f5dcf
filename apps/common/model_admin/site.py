"""The admin site: its pages, who may use them, and with which methods."""

from collections.abc import Callable
from typing import Any, ClassVar, Final

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.urls import URLPattern
from django.views.decorators.http import require_http_methods
from unfold.sites import UnfoldAdminSite

from apps.common.access import Principal, PrincipalKind
from apps.common.model_admin.scoped import ScopedAdmin

READS: Final = ["GET", "HEAD"]
ORDER: Final = ("alerts", "accounts", "tenancy", "devices", "common")
"""The order of the groups of pages."""
ACTS: Final = frozenset({"act_view", "logout"})
"""Views that only perform an action."""


class PortalSite(UnfoldAdminSite):  # type: ignore[misc]
    """The admin of SafeSignal: the portal handles signing in and out, and Django's own passwords are not used.

    A bearer token works like a session; either way a write needs the CSRF token of a page.
    """

    site_title = site_header = "SafeSignal"
    index_title = "Your organization"
    final_catch_all_view = False
    LEFT_OUT: ClassVar = frozenset(
        {"autocomplete", "login", "password_change", "password_change_done", "search", "view_on_site"}
    )
    """Views of Django and Unfold that are left out: for their own passwords, or for arbitrary rows."""

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.disable_action("delete_selected")

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Register only `ScopedAdmin` pages: those of libraries do not support scopes."""
        if admin_class is not None and issubclass(admin_class, ScopedAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        """Allow every person; each page decides what is visible to them."""
        principal: Principal | None = getattr(request, "principal", None)
        return principal is not None and principal.kind == PrincipalKind.PERSON

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., HttpResponseBase]:
        """Restrict a view to people and its methods. Redirect anonymous callers to the portal's sign-in and back."""
        page = getattr(view, "__self__", self)
        name = getattr(view, "__name__", "")
        methods = ["POST"] if name in ACTS else READS
        if isinstance(page, ScopedAdmin) and name in page.posted:
            methods = [*READS, "POST"]
        answer: Callable[..., HttpResponseBase] = require_http_methods(methods)(super().admin_view(view, cacheable))

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if getattr(request, "principal", None) is None:
                return redirect_to_login(request.get_full_path(), resolve_url("portal:login"))
            if not self.has_permission(request):
                raise PermissionDenied
            return answer(request, *args, **kwargs)

        return guarded

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add the user, from a session or a token, to the context of every page."""
        return {**super().each_context(request), "principal": getattr(request, "principal", None)}

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """Sort the groups of pages by how often they are needed."""
        return sorted(super().get_app_list(request, app_label), key=lambda app: ORDER.index(app["app_label"]))

    def app_index(self, request: HttpRequest, app_label: str, extra_context: Any = None) -> HttpResponse:
        """Redirect to the index, which lists all pages."""
        return redirect("admin:index")

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Sign out through the portal, which also ends the stored sign-in."""
        return redirect("portal:logout", preserve_request=True)

    def get_urls(self) -> list[URLPattern]:
        """Return Django's URLs, except for those left out."""
        return [url for url in super().get_urls() if getattr(url, "name", None) not in self.LEFT_OUT]
