"""The Django admin as one more entry point: only rows that the caller may read, where their role holds.

Row-level security and the managers hold the organization; `ScopedAdmin` adds the rights of the role and of the place,
and answers as the API does: 404 for what is not the caller's to know of, 403 without the right. What writes is in
`services.py`. The audit trail is the record, so Django's own log of changes is not kept.
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
    """Who uses the admin. Raises PermissionDenied when nobody is signed in."""
    principal: Principal | None = getattr(request, "principal", None)
    if principal is None:
        raise PermissionDenied
    return principal


class ScopedAdmin(ModelAdmin):  # type: ignore[misc]
    """Rows that the caller's role may read, where it holds. Read-only; see `ServiceAdmin`."""

    resource: ClassVar[str]
    """What the permissions table calls these rows."""
    organization: ClassVar[str] = "organization_id"
    """The look-up from a row to the organization whose it is."""
    site: ClassVar[str | None] = None
    """The look-up to its site, for what concerns a whole site."""
    building: ClassVar[str | None] = None
    """The look-up to its building; neither: these rows concern the whole organization."""
    pages: ClassVar[frozenset[str]] = frozenset({"changelist", "change", "history"})
    """What there is an address for."""
    posted: ClassVar[frozenset[str]] = frozenset()
    """The views that take a POST."""
    filtered_by: ClassVar[frozenset[str]] = frozenset()
    """Look-ups that a link to the list may carry, beside `list_filter`."""
    actions_on_top = True
    list_per_page = 50
    show_full_result_count = False
    paginator = InfinitePaginator

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows that may be read: whole organizations, or the places of who is narrowed."""
        queryset: QuerySet[Any] = super().get_queryset(request)
        return queryset.filter(self.where(caller(request), self.resource, "read"))

    def where(self, principal: Principal, resource: str, action: str) -> Q:
        """The rows at which the caller has a right."""
        allowed = Q(pk__in=())
        for grant in principal.grants.values():
            allowed |= self.granted(grant, resource, action)
        return allowed

    def granted(self, grant: Grant, resource: str, action: str) -> Q:
        """The rows of one organization at which a right is held."""
        within = Q(**{self.organization: grant.organization_id})
        if (resource, action) in grant.permissions:
            return within
        if self.site:
            return within & Q(**{f"{self.site}__in": grant.sites(resource, action)})
        return (
            within & Q(**{f"{self.building}__in": grant.buildings(resource, action)}) if self.building else Q(pk__in=())
        )

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The row, for who may read it. Raises Http404 or PermissionDenied, as the API would answer 404 or 403."""
        found = self.lookup(self.get_queryset(request), object_id)
        if found is None:
            self.refuse(request, object_id, self.resource, "read")
        return found

    def lookup(self, rows: QuerySet[Any], object_id: str) -> Any:
        """The row of this id, if it is among them."""
        key = self.key(object_id)
        return None if key is None else rows.filter(pk=key).first()

    def key(self, object_id: str) -> Any:
        """The primary key that an address names; None where it cannot be one."""
        try:
            return self.opts.pk.to_python(object_id)
        except (ValidationError, ValueError):
            return None

    def refuse(self, request: HttpRequest, object_id: str, resource: str, action: str) -> NoReturn:
        """Say why a row is not among those at which the caller has this right."""
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
        """Whether the role may read such rows anywhere; which ones, the queryset says."""
        return self.may(request, "read", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nothing is made here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nothing is changed here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nothing is deleted here."""
        return False

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the menu shows it."""
        return self.has_view_permission(request)

    def may(self, request: HttpRequest, action: str, obj: models.Model | None) -> bool:
        """Whether the caller may do it with this row; with none, with any."""
        grants: Iterable[Grant] = caller(request).grants.values()
        if obj is None or obj._state.adding:
            return any(grant.anywhere(self.resource, action) for grant in grants)
        owners, place = self.owners(obj), self.place_of(obj)
        return any((self.resource, action) in grant.at(**place) for grant in grants if grant.organization_id in owners)

    def owners(self, row: models.Model) -> list[UUID]:
        """Whose row it is."""
        return [self.value(row, self.organization)]

    def place_of(self, row: models.Model) -> dict[str, UUID]:
        """The site or the building that a row is in, for `access.require`; empty: the whole organization."""
        places = {"site": self.site, "building": self.building}
        return {kind: value for kind, path in places.items() if path and (value := self.value(row, path))}

    @staticmethod
    def value(row: models.Model, path: str) -> Any:
        """What a look-up from a row leads to; None where the way ends before."""
        value: Any = row
        for name in path.split("__"):
            value = getattr(value, name, None)
        return value

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what a link of a page carries: others would tell of columns that no page shows."""
        fields = {_parameter(one) for one in self.get_list_filter(request)}
        return lookup.partition("__")[0] in {*fields, *self.filtered_by}

    def get_urls(self) -> list[URLPattern]:
        """Addresses of what there is to do here, and no others."""
        prefix = f"{self.opts.app_label}_{self.opts.model_name}_"
        return [url for url in super().get_urls() if (url.name or "").removeprefix(prefix) in self.pages]

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """The audit trail of the row."""
        row = self.get_object(request, object_id)
        return redirect(f"{reverse('admin:common_auditentry_changelist')}?{urlencode({'target_id': row.pk})}")

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Django's, with a link to the audit trail for who may read it."""
        shows = any(grant.anywhere("audit", "read") for grant in caller(request).grants.values())
        return super().changeform_view(request, object_id, form_url, {"show_history": shows, **(extra_context or {})})

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> None:
        """The service wrote its audit row."""

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> None:
        """The service wrote its audit row."""

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """The service wrote its audit row."""


def _parameter(list_filter: Any) -> str:
    """The query parameter of an item of `list_filter`: a field, a field with its filter, or a filter of its own."""
    if isinstance(list_filter, str):
        return list_filter
    if isinstance(list_filter, tuple):
        return str(list_filter[0])
    return str(list_filter.parameter_name)
