"""The Django admin as one more door: only rows that the caller may read, and writes through services alone.

Row-level security and the managers hold the organization; `ScopedAdmin` adds the rights of the role and of the place.
Nothing is written by the admin itself: a form hands what was typed to a service, whose refusal is shown at the form.
The audit trail is the record, so Django's own log of changes is not kept.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.urls import URLPattern, reverse
from django.utils.http import urlencode
from unfold.admin import ModelAdmin
from unfold.sites import UnfoldAdminSite

from apps.common.access import Grant, Principal
from apps.common.problems import Problem

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Any]
else:
    _ModelForm = forms.ModelForm
Values = Mapping[str, Any]
"""What was typed, cleaned by the form, by the name of the field."""


def caller(request: HttpRequest) -> Principal:
    """Who uses the admin. Raises PermissionDenied when nobody is signed in."""
    principal: Principal | None = getattr(request, "principal", None)
    if principal is None:
        raise PermissionDenied
    return principal


class PortalSite(UnfoldAdminSite):  # type: ignore[misc]
    """The admin of SafeSignal: signing in and out is the portal's, and nothing here knows Django's own passwords."""

    site_title = site_header = "SafeSignal"
    index_title = "Your organization"
    LEFT_OUT: ClassVar = frozenset({"password_change", "password_change_done", "view_on_site"})
    """Views of Django's that have no place here; the last looks up rows of any kind."""

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Pages of `ScopedAdmin` only: those that libraries bring along know nothing of scopes."""
        if admin_class is not None and issubclass(admin_class, ScopedAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        """Whoever belongs to an organization; what they find is decided by each model's page."""
        principal: Principal | None = getattr(request, "principal", None)
        return principal is not None and (principal.is_super_admin or bool(principal.grants))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The portal's page to sign in, which comes back here."""
        if getattr(request, "principal", None) is not None and not self.has_permission(request):
            raise PermissionDenied
        target = request.GET.get("next") or reverse("admin:index")
        return redirect(f"{resolve_url('portal:login')}?{urlencode({'next': target})}")

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The portal's, which also ends the session's record."""
        return redirect("portal:logout", preserve_request=True)

    def get_urls(self) -> list[URLPattern]:
        """Django's, but for those left out."""
        return [url for url in super().get_urls() if getattr(url, "name", None) not in self.LEFT_OUT]


class ScopedAdmin(ModelAdmin):  # type: ignore[misc]
    """Rows that the caller's role may read, where it holds. Read-only; see `ServiceAdmin`."""

    resource: ClassVar[str]
    """What the permissions table calls these rows."""
    organization: ClassVar[str] = "organization_id"
    """The column that says whose row it is."""
    building: ClassVar[str | None] = None
    """The look-up from a row to its building; None: these rows concern the whole organization."""
    actions_on_top = True
    list_per_page = 50
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows that may be read: whole organizations, or the buildings of who is narrowed."""
        readable = Q(pk__in=())
        for grant in caller(request).grants.values():
            readable |= self._readable(grant)
        queryset: QuerySet[Any] = super().get_queryset(request)
        return queryset.filter(readable)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Whether the role may read such rows anywhere; which ones, the queryset says."""
        return self._may(request, "read", obj)

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

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """The audit trail of the row."""
        if self.get_object(request, object_id) is None:
            raise PermissionDenied
        return redirect(f"{reverse('admin:common_auditentry_changelist')}?{urlencode({'target_id': object_id})}")

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> None:
        """The service wrote its audit row."""

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> None:
        """The service wrote its audit row."""

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """The service wrote its audit row."""

    def _readable(self, grant: Grant) -> Q:
        buildings = grant.buildings(self.resource, "read")
        within = Q(**{self.organization: grant.organization_id})
        if buildings is None:
            return within
        return within & Q(**{f"{self.building}__in": buildings}) if self.building else Q(pk__in=())

    def _may(self, request: HttpRequest, action: str, obj: models.Model | None) -> bool:
        grants: Iterable[Grant] = caller(request).grants.values()
        if obj is None:
            return any(grant.anywhere(self.resource, action) for grant in grants)
        owner = getattr(obj, self.organization)
        building = self.building_of(obj)
        return any((self.resource, action) in grant.at(building) for grant in grants if grant.organization_id == owner)

    def building_of(self, obj: models.Model) -> UUID | None:
        """The building that a row is in; None where it concerns the whole organization."""
        value: Any = obj
        for name in self.building.split("__") if self.building else ("",):
            value = getattr(value, name, None)
        return value if isinstance(value, UUID) else None


class ServiceForm(_ModelForm):
    """A form whose result is what a service made of it; a refusal is an error of the form, nothing typed is lost."""

    apply: ClassVar[Any]

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        try:
            with transaction.atomic():
                self.instance = self.apply(self)
        except Problem as problem:
            for field, complaints in _complaints(problem):
                self.add_error(field if field in self.fields else None, complaints)

    def validate_unique(self) -> None:
        """The service and the database say it: what the caller can see is not all there is."""

    def save(self, commit: bool = True) -> Any:
        """What the service returned: it is saved."""
        self.save_m2m = lambda: None  # type: ignore[method-assign]
        return self.instance


class ServiceAdmin(ScopedAdmin):
    """Rows that the caller may also make, change or remove, each through the service named in a subclass."""

    def create(self, principal: Principal, values: Values) -> models.Model:
        """Call the service that makes one. Raises Problem."""
        raise NotImplementedError

    def update(self, principal: Principal, obj: Any, values: Values) -> models.Model:
        """Call the service that changes one. Raises Problem."""
        raise NotImplementedError

    def remove(self, principal: Principal, obj: Any) -> None:
        """Call the service that removes one. Raises Problem."""
        raise NotImplementedError

    def has_add_permission(self, request: HttpRequest) -> bool:
        """By the role, where there is a service for it."""
        return self._has("create") and self._may(request, "create", None)

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """By the role, where there is a service for it."""
        return self._has("update") and self._may(request, "update", obj)

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """By the role, where there is a service for it."""
        return self._has("remove") and self._may(request, "delete", obj)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """A form that ends in the service."""
        principal = caller(request)

        def apply(form: ServiceForm) -> models.Model:
            values = form.cleaned_data
            return self.update(principal, obj, values) if change else self.create(principal, values)

        kwargs["form"] = type("Form", (ServiceForm, self.form), {"apply": apply})
        return super().get_form(request, obj, change, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        """The form's service has saved it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        """There is nothing related that a form here edits."""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Through the service."""
        self.remove(caller(request), obj)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponseBase:
        """As Django's; what stands in the way is said, and nothing is removed."""
        try:
            answer: HttpResponseBase = super().delete_view(request, object_id, extra_context)
        except Problem as problem:
            messages.error(request, problem.detail)
            return redirect(request.path)
        return answer

    def _has(self, verb: str) -> bool:
        return getattr(type(self), verb) is not getattr(ServiceAdmin, verb)


def _complaints(problem: Problem) -> Iterable[tuple[str, Any]]:
    errors = problem.extra.get("errors")
    return errors.items() if isinstance(errors, Mapping) and errors else [("", problem.detail)]
