"""The admin form of an organization, with a field for each setting, generated from `OrganizationSettings`."""

from typing import Any, Final

from django import forms
from msgspec import inspect
from unfold import widgets

from apps.common.model_admin.services import ServiceForm
from apps.tenancy.organizations import organization_settings
from apps.tenancy.organizations.organization_settings import OrganizationSettings


def _field(setting: inspect.Field) -> forms.Field | None:
    """Return the field for a text, a number, a flag or a choice; None for a setting that is a table."""
    kind, text = setting.type, ""
    if isinstance(kind, inspect.Metadata):
        text = str((kind.extra_json_schema or {}).get("description", ""))
        kind = kind.type
    base: dict[str, Any] = {"help_text": text, "label": setting.name.replace("_", " ").capitalize(), "required": False}
    match kind:
        case inspect.BoolType():
            return forms.BooleanField(widget=widgets.UnfoldBooleanSwitchWidget, **base)
        case inspect.IntType() | inspect.UnionType():
            optional = isinstance(kind, inspect.UnionType)
            return forms.IntegerField(
                widget=widgets.UnfoldAdminIntegerFieldWidget, **{**base, "required": not optional}
            )
        case inspect.LiteralType():
            choices = [(str(value), str(value)) for value in kind.values]
            return forms.ChoiceField(choices=choices, widget=widgets.UnfoldAdminSelectWidget, **base)
        case inspect.FrozenSetType(item_type=inspect.LiteralType() as item):
            choices = [(str(value), str(value)) for value in item.values]
            return forms.MultipleChoiceField(
                choices=choices, widget=widgets.UnfoldAdminCheckboxSelectMultipleWidget, **base
            )
        case inspect.StrType():
            return forms.CharField(widget=widgets.UnfoldAdminTextInputWidget, **{**base, "required": True})
        case _:
            return None


def _fields() -> dict[str, forms.Field]:
    kind = inspect.type_info(OrganizationSettings)
    assert isinstance(kind, inspect.StructType)
    fields = {setting.name: _field(setting) for setting in kind.fields}
    return {name: field for name, field in fields.items() if field is not None}


SETTINGS: Final = tuple(_fields())
"""Names of the settings in the form."""


class _SettingsForm(ServiceForm):
    """Shows the present settings, including defaults."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        settings = organization_settings.read(kwargs["instance"].settings).document()
        super().__init__(*args, **{**kwargs, "initial": settings})


OrganizationForm = type("OrganizationForm", (_SettingsForm,), _fields())
"""Name, slug, and every setting in `SETTINGS`."""
