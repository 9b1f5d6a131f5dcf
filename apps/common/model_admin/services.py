"""Writes in the admin: a form validates, then a service saves, and a refusal becomes an error of the form.

The admin itself writes nothing, so that every entry point results in the same rows, audit entry and feed event. A form
has the entity tag of the row that it displayed (`seen`), so that it does not overwrite other people's changes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from rest_framework.serializers import BaseSerializer

from apps.common.access import Principal
from apps.common.http.audit_middleware import report_refusal
from apps.common.http.writes.etags import etag_of
from apps.common.model_admin.scoped import ScopedAdmin, caller
from apps.common.problems import Problem

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Any]
    _ModelChoiceField = forms.ModelChoiceField[Any]
else:
    _ModelForm = forms.ModelForm
    _ModelChoiceField = forms.ModelChoiceField
CONFIRMED = "confirmed"
"""The field that a confirmed form sends."""
Values = Mapping[str, Any]
"""Entered values by field name."""
T = TypeVar("T")


def attempt(request: HttpRequest, write: Callable[[], T]) -> T | Problem:
    """Return the result of a service, or its refusal, which changed nothing and is recorded in the audit trail."""
    try:
        with transaction.atomic():
            return write()
    except Problem as problem:
        report_refusal(request, problem)
        return problem


class _Refused(Exception):
    """A service refused to save a form. The transaction of the page is rolled back."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class ServiceForm(_ModelForm):
    """A form that a service saves; a refusal keeps everything that was entered."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    body: ClassVar[type[BaseSerializer[Any]] | None] = None
    """The API's serializer for the same values: its limits apply to this form."""
    refusal: ClassVar[Problem | None] = None
    """Why the service did not save the values, when the form is displayed again."""

    @property
    def typed(self) -> dict[str, Any]:
        """The changed values in a form for changing a row; all values in one for adding it."""
        names = self.cleaned_data if self.instance._state.adding else self.changed_data
        return {name: self.cleaned_data[name] for name in names if name != "seen"}

    def clean(self) -> dict[str, Any]:
        """Validate with the limits of the API, and normalize text as it does."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.body is not None and not self.errors:
            fields = self.body().fields  # type: ignore[attr-defined]
            values = {name: value for name, value in self.typed.items() if name in fields}
            checked = self.body(data=values, partial=True)
            if checked.is_valid():
                cleaned |= {name: value for name, value in checked.validated_data.items() if isinstance(value, str)}
            else:
                self._complain(dict(checked.errors))
        if self.refusal is not None:
            errors = self.refusal.extra.get("errors")
            self._complain(errors if isinstance(errors, Mapping) and errors else {"": [_message(self.refusal)]})
        return cleaned

    def _post_clean(self) -> None:
        """Leave the row as it is: the service validates it."""

    def _complain(self, errors: Mapping[str, Any]) -> None:
        for field, complaints in errors.items():
            target = field if field in self.fields else None
            texts = complaints if isinstance(complaints, list) else [complaints]
            self.add_error(target, ValidationError([str(text) for text in texts]))


class ParentField(_ModelChoiceField):
    """The parent of a new row, displayed with its full name."""

    def label_from_instance(self, obj: models.Model) -> str:
        """Return the name with those of its own parents."""
        place: object = obj
        names = [str(place)]
        while place := next((getattr(place, up) for up in ("floor", "building", "site") if hasattr(place, up)), None):
            names.insert(0, str(place))
        return ", ".join(names)


@dataclass(frozen=True, slots=True)
class Act:
    """An action on a row, by a button on its page, or on several rows in the list."""

    name: str
    label: str
    right: tuple[str, str]
    """(resource, action)"""
    run: Callable[[Principal, Any], str]
    """Calls the service, and returns a message about the result. Raises Problem."""
    applies: Callable[[Any], bool] = lambda _: True
    """Returns whether a row's page offers the action."""
    question: str = ""
    """The confirmation for several rows; empty: no confirmation."""


class ServiceAdmin(ScopedAdmin):
    """Rows that the caller may also add, change or delete, through the services that a subclass names."""

    parent: ClassVar[str] = ""
    """The field with the parent of a new row, which never changes."""
    read_fields: ClassVar[Sequence[str]] = ()
    """The fields for callers who may not change the row; empty: `fields`."""
    body: ClassVar[type[BaseSerializer[Any]] | None] = None
    acts: ClassVar[Sequence[Act]] = ()
    removal: ClassVar[str] = "Delete"
    """The page's label for deleting a row."""
    list_disable_select_all = True
    change_form_outer_before_template = "admin/acts.html"

    def create(self, principal: Principal, values: Values) -> models.Model:
        """Call the service that creates a row. Raises Problem."""
        raise NotImplementedError

    def update(self, principal: Principal, obj: Any, values: Values, seen: str | None) -> models.Model:
        """Call the service that changes a row, if its entity tag is still `seen`. Raises Problem."""
        raise NotImplementedError

    def remove(self, request: HttpRequest, obj: Any) -> None:
        """Call the service that deletes a row. Raises Problem."""
        raise NotImplementedError

    def document(self, obj: Any) -> object:
        """Return the representation from which the API computes the entity tag."""
        raise NotImplementedError

    def seen(self, obj: Any) -> str:
        """Return the entity tag that a form has of a row."""
        return etag_of(self.document(obj))

    @property
    def pages(self) -> frozenset[str]:  # type: ignore[override]
        """The views of `ScopedAdmin`, and those for which there is a service."""
        more = {page for page, verb in (("add", "create"), ("delete", "remove")) if self._has(verb)}
        return ScopedAdmin.pages | more

    @property
    def posted(self) -> frozenset[str]:  # type: ignore[override]
        """The views for which there is a service."""
        views = {"create": "add_view", "update": "change_view", "remove": "delete_view"}
        return frozenset(
            {view for verb, view in views.items() if self._has(verb)} | ({"changelist_view"} if self.acts else set())
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return whether there is a service for adding and the role allows it."""
        return self._has("create") and self.may(request, "create", None)

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Return whether there is a service for changing and the role allows it."""
        return self._has("update") and self.may(request, "update", obj)

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Return whether there is a service for deleting and the role allows it."""
        return self._has("remove") and self.may(request, "delete", obj)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        """Return the fields, with the parent first; a form for changing a row also has `seen`."""
        above = [self.parent] if self.parent else []
        if obj is None:
            return [*above, *self.fields]
        if self.has_change_permission(request, obj):
            return [*above, *self.fields, "seen"]
        return [*above, *(self.read_fields or self.fields)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        """Make the parent read-only once the row exists."""
        return [*self.readonly_fields, self.parent] if obj is not None and self.parent else [*self.readonly_fields]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return a form that the service saves."""
        base = self.form if issubclass(self.form, ServiceForm) else type("Form", (ServiceForm, self.form), {})
        context = {"body": self.body, "refusal": getattr(request, "refusal", None)}
        kwargs["form"] = type("Form", (base,), context | self.form_context(request, obj))
        form = super().get_form(request, obj, change, **kwargs)
        if obj is not None and self.has_change_permission(request, obj):
            form.base_fields["seen"].initial = self.seen(obj)
        return form

    def form_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Return additional attributes for the form of a subclass."""
        return {}

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Make nullable fields optional, and remove the links for editing related rows."""
        if db_field.name == self.parent:
            kwargs |= {"queryset": self.parents(request), "form_class": ParentField}
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        in_api = self.body().fields.get(db_field.name) if self.body else None  # type: ignore[attr-defined]
        if field is not None and (db_field.null or getattr(in_api, "allow_null", False)):
            field.required, field.empty_value = False, None
        for related in ("add", "change", "delete", "view"):
            if hasattr(field.widget if field else None, f"can_{related}_related"):
                setattr(field.widget, f"can_{related}_related", False)
        return field

    def parents(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows below which the caller may add one."""
        page = self._parent_page()
        every: QuerySet[Any] = super(ScopedAdmin, page).get_queryset(request)
        above = list(page.list_select_related or ())
        return every.filter(page.where(caller(request), self.resource, "create")).select_related(*above)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Select the parent in the URL, or the only possible one."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        if self.parent and self.parent not in initial:
            first_two = list(self.parents(request)[:2])
            if len(first_two) == 1:
                initial[self.parent] = first_two[0].pk
        return initial

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Check the parent in the URL, if there is one, with the same refusals as the API."""
        named = request.GET.get(self.parent) if self.parent else None
        if named is not None:
            page = self._parent_page()
            if page.lookup(self.parents(request), named) is None:
                page.refuse(request, named, self.resource, "create")
        answer: HttpResponse = super().add_view(request, form_url, extra_context)
        return answer

    def save_form(self, request: HttpRequest, form: Any, change: Any) -> Any:
        """Call the service; a form without changes saves nothing."""
        principal = caller(request)
        try:
            if not change:
                return self.create(principal, form.typed)
            if form.typed:
                return self.update(principal, form.instance, form.typed, form.cleaned_data.get("seen") or None)
        except Problem as problem:
            raise _Refused(problem) from problem
        return form.instance

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        """Do nothing: the service has saved the row."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        """Do nothing: forms here do not edit related rows."""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete through the service."""
        self.remove(request, obj)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Return the related rows that a person must know of before deleting a row."""
        return [], self.goes_with(objs[0]), set(), []

    def goes_with(self, obj: Any) -> dict[str, int]:
        """Return the numbers of related rows that are deleted too, by plural name."""
        return {}

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponseBase:
        """Delete like Django; if something prevents it, display what, and delete nothing."""
        context = {"removal": self.removal, **(extra_context or {})}
        try:
            answer: HttpResponseBase = super().delete_view(request, object_id, context)
        except Problem as problem:
            report_refusal(request, problem)
            messages.error(request, _message(problem))
            return redirect(request.get_full_path())
        return answer

    def get_urls(self) -> list[URLPattern]:
        """Add a URL for each act."""
        return [
            *(
                path(
                    f"<path:object_id>/{act.name}/",
                    self.admin_site.admin_view(self.act_view),
                    {"act": act},
                    name=f"{self.opts.app_label}_{self.opts.model_name}_{act.name}",
                )
                for act in self.acts
            ),
            *super().get_urls(),
        ]

    def act_view(self, request: HttpRequest, object_id: str, act: Act) -> HttpResponse:
        """Do an act on one row, and redirect to its page."""
        every = super(ScopedAdmin, self).get_queryset(request)
        if self.lookup(every.filter(self.where(caller(request), *act.right)), object_id) is None:
            self.refuse(request, object_id, *act.right)
        self._do(request, act, self.get_object(request, object_id))
        return redirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[object_id]))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the acts for several rows of the list; each row is handled separately."""

        def several(act: Act) -> Callable[..., HttpResponse | None]:
            def run(_: object, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
                chosen = list(rows.filter(self.where(caller(request), *act.right)))
                if act.question and CONFIRMED not in request.POST:
                    return self._confirmation(request, act, chosen)
                for row in chosen:
                    self._do(request, act, row)
                return None

            return run

        may = {
            act.name: any(grant.anywhere(*act.right) for grant in caller(request).grants.values()) for act in self.acts
        }
        return {act.name: (several(act), act.name, act.label) for act in self.acts if may[act.name]}

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Add the acts that the caller may do; if the service refused, display the form again with the reason."""
        offered: list[Act] = []
        if object_id and self.acts:
            row = self.get_object(request, object_id)
            here = self.get_queryset(request).filter(pk=row.pk)
            offered = [
                act
                for act in self.acts
                if act.applies(row) and self.lookup(here.filter(self.where(caller(request), *act.right)), object_id)
            ]
        context = {"acts": offered, "removal": self.removal, **(extra_context or {})}
        try:
            return super().changeform_view(request, object_id, form_url, context)
        except _Refused as refused:
            report_refusal(request, refused.problem)
            request.refusal = refused.problem  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, context)

    def _confirmation(self, request: HttpRequest, act: Act, rows: Sequence[Any]) -> HttpResponse:
        """Return a confirmation page that lists the rows."""
        context = {
            **self.admin_site.each_context(request),
            "title": act.question,
            "opts": self.opts,
            "act": act,
            "rows": [(row.pk, self.described(row)) for row in rows],
            "confirmed": CONFIRMED,
        }
        return TemplateResponse(request, "admin/confirm_act.html", context)

    def described(self, row: Any) -> str:
        """Return the description of a row on the confirmation page."""
        return str(row)

    def _do(self, request: HttpRequest, act: Act, row: Any) -> None:
        done = attempt(request, lambda: act.run(caller(request), row))
        if isinstance(done, Problem):
            messages.error(request, f"{row}: {_message(done)}")
        else:
            messages.success(request, f"{row}: {done}")

    def _has(self, verb: str) -> bool:
        return getattr(type(self), verb) is not getattr(ServiceAdmin, verb)

    def _parent_page(self) -> ScopedAdmin:
        model = self.opts.get_field(self.parent).related_model
        page: ScopedAdmin = self.admin_site._registry[model]
        return page


def _message(problem: Problem) -> str:
    """Return the text of a refusal, with the obstacles that it names."""
    obstacles = problem.extra.get("in_the_way")
    if not isinstance(obstacles, list):
        return problem.detail
    listed = "; ".join(
        f"{one['count']} {one['what'].replace('_', ' ')} ({', '.join(one['names'])})" for one in obstacles
    )
    return f"{problem.detail} In the way: {listed}."
