"""The Django admin as one more entry point: only rows that the caller may read, where their role applies.

Row-level security and the managers enforce the organization; `ScopedAdmin` adds the rights of the role and of the
place, and responds like the API: 404 for rows that are not visible to the caller, 403 without permission. `services.py`
has the admin that writes. The audit trail replaces Django's own log of changes.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, NoReturn
from uuid import UUID

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, reverse
from django.utils.http import urlencode
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from apps.common.access import Grant, Principal, require
from apps.common.problems import Forbidden, NotFound


def caller(request: HttpRequest) -> Principal:
    """Return the principal who uses the admin. Raises PermissionDenied for anonymous callers."""
    principal: Principal | None = getattr(request, "principal", None)
    if principal is None:
        raise PermissionDenied
    return principal


class ScopedAdmin(ModelAdmin):  # type: ignore[misc]
    """Rows that the caller's role may read, where it applies. Read-only; see `ServiceAdmin`."""

    resource: ClassVar[str]
    """The name of these rows in the permissions table."""
    organization: ClassVar[str] = "organization_id"
    """The lookup from a row to its organization."""
    site: ClassVar[str | None] = None
    """The lookup to its site, for rows that concern a whole site."""
    building: ClassVar[str | None] = None
    """The lookup to its building; with neither, these rows concern the whole organization."""
    pages: ClassVar[frozenset[str]] = frozenset({"changelist", "change", "history"})
    """The views that have a URL."""
    posted: ClassVar[frozenset[str]] = frozenset()
    """The views that accept POST."""
    filtered_by: ClassVar[frozenset[str]] = frozenset()
    """Lookups allowed in links to the list, in addition to `list_filter`."""
    actions_on_top = True
    list_per_page = 50
    show_full_result_count = False
    paginator = InfinitePaginator

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the readable rows: of whole organizations, or of the places of a narrowed grant."""
        queryset: QuerySet[Any] = super().get_queryset(request)
        return queryset.filter(self.where(caller(request), self.resource, "read"))

    def where(self, principal: Principal, resource: str, action: str) -> Q:
        """Return a filter for the rows on which the caller has a right."""
        allowed = Q(pk__in=())
        for grant in principal.grants.values():
            allowed |= self.granted(grant, resource, action)
        return allowed

    def granted(self, grant: Grant, resource: str, action: str) -> Q:
        """Return a filter for the rows of one organization on which the grant has a right."""
        within = Q(**{self.organization: grant.organization_id})
        if (resource, action) in grant.permissions:
            return within
        if self.site:
            return within & Q(**{f"{self.site}__in": grant.sites(resource, action)})
        return (
            within & Q(**{f"{self.building}__in": grant.buildings(resource, action)}) if self.building else Q(pk__in=())
        )

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the row if the caller may read it. Raises Http404 or PermissionDenied, like the API's 404 or 403."""
        row = self.lookup(self.get_queryset(request), object_id)
        if row is None:
            self.refuse(request, object_id, self.resource, "read")
        return row

    def lookup(self, rows: QuerySet[Any], object_id: str) -> Any:
        """Return the row with this id, if it is among them."""
        key = self.key(object_id)
        return None if key is None else rows.filter(pk=key).first()

    def key(self, object_id: str) -> Any:
        """Return the primary key in a URL; None if it is not valid."""
        try:
            return self.opts.pk.to_python(object_id)
        except (ValidationError, ValueError):
            return None

    def refuse(self, request: HttpRequest, object_id: str, resource: str, action: str) -> NoReturn:
        """Raise the error that explains why the caller does not have this right on a row."""
        row = self.lookup(super().get_queryset(request), object_id)
        if row is None:
            raise Http404
        for owner in self.owners(row):
            try:
                require(caller(request), owner, resource, action, **self.place_of(row))
            except Forbidden as refusal:
                raise PermissionDenied from refusal
            except NotFound:
                continue
        raise Http404

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Return whether the role may read such rows anywhere; the queryset limits which ones."""
        return self.may(request, "read", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: rows cannot be added here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Return False: rows cannot be changed here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Return False: rows cannot be deleted here."""
        return False

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the menu displays this page."""
        return self.has_view_permission(request)

    def may(self, request: HttpRequest, action: str, obj: models.Model | None) -> bool:
        """Return whether the caller may do `action` with this row; without a row, with any."""
        grants: Iterable[Grant] = caller(request).grants.values()
        if obj is None or obj._state.adding:
            return any(grant.anywhere(self.resource, action) for grant in grants)
        owners, place = self.owners(obj), self.place_of(obj)
        return any((self.resource, action) in grant.at(**place) for grant in grants if grant.organization_id in owners)

    def owners(self, row: models.Model) -> list[UUID]:
        """Return the organizations that own the row."""
        return [self.value(row, self.organization)]

    def place_of(self, row: models.Model) -> dict[str, UUID]:
        """Return the site or building of a row, for `access.require`; empty: the whole organization."""
        places = {"site": self.site, "building": self.building}
        return {kind: value for kind, path in places.items() if path and (value := self.value(row, path))}

    @staticmethod
    def value(row: models.Model, path: str) -> Any:
        """Follow a lookup from a row; return None if a part of the path is missing."""
        value: Any = row
        for name in path.split("__"):
            value = getattr(value, name, None)
        return value

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow only lookups that pages link to: others would reveal columns that no page displays."""
        fields = {_parameter(one) for one in self.get_list_filter(request)}
        return lookup.partition("__")[0] in {*fields, *self.filtered_by}

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs of the views in `pages` only."""
        prefix = f"{self.opts.app_label}_{self.opts.model_name}_"
        return [url for url in super().get_urls() if (url.name or "").removeprefix(prefix) in self.pages]

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Redirect to the audit trail of the row."""
        row = self.get_object(request, object_id)
        return redirect(f"{reverse('admin:common_auditentry_changelist')}?{urlencode({'target_id': row.pk})}")

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Add a link to the audit trail for callers who may read it."""
        shows = any(grant.anywhere("audit", "read") for grant in caller(request).grants.values())
        return super().changeform_view(request, object_id, form_url, {"show_history": shows, **(extra_context or {})})

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> None:
        """Do nothing: the service wrote its audit row."""

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> None:
        """Do nothing: the service wrote its audit row."""

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Do nothing: the service wrote its audit row."""


def _parameter(list_filter: Any) -> str:
    """Return the query parameter of an item of `list_filter`: a field, a field with its filter, or a filter class."""
    if isinstance(list_filter, str):
        return list_filter
    if isinstance(list_filter, tuple):
        return str(list_filter[0])
    return str(list_filter.parameter_name)
