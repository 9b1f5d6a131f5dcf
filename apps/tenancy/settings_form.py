"""The form of an organization: a field for each of its settings, made from what says their meaning and their limits."""

from typing import Any, Final

from django import forms
from msgspec import inspect
from unfold import widgets

from apps.common.model_admin.services import ServiceForm
from apps.tenancy import organization_settings
from apps.tenancy.organization_settings import OrganizationSettings


def _field(setting: inspect.Field) -> forms.Field | None:
    """For a setting that is one word, one number, one choice or a few; None for one that is a table."""
    kind, text = setting.type, ""
    if isinstance(kind, inspect.Metadata):
        text = str((kind.extra_json_schema or {}).get("description", ""))
        kind = kind.type
    told: dict[str, Any] = {"help_text": text, "label": setting.name.replace("_", " ").capitalize(), "required": False}
    match kind:
        case inspect.BoolType():
            return forms.BooleanField(widget=widgets.UnfoldBooleanSwitchWidget, **told)
        case inspect.IntType() | inspect.UnionType():
            optional = isinstance(kind, inspect.UnionType)
            return forms.IntegerField(
                widget=widgets.UnfoldAdminIntegerFieldWidget, **{**told, "required": not optional}
            )
        case inspect.LiteralType():
            choices = [(str(value), str(value)) for value in kind.values]
            return forms.ChoiceField(choices=choices, widget=widgets.UnfoldAdminSelectWidget, **told)
        case inspect.FrozenSetType(item_type=inspect.LiteralType() as item):
            choices = [(str(value), str(value)) for value in item.values]
            return forms.MultipleChoiceField(
                choices=choices, widget=widgets.UnfoldAdminCheckboxSelectMultipleWidget, **told
            )
        case inspect.StrType():
            return forms.CharField(widget=widgets.UnfoldAdminTextInputWidget, **{**told, "required": True})
        case _:
            return None


def _fields() -> dict[str, forms.Field]:
    kind = inspect.type_info(OrganizationSettings)
    assert isinstance(kind, inspect.StructType)
    made = {setting.name: _field(setting) for setting in kind.fields}
    return {name: field for name, field in made.items() if field is not None}


SETTINGS: Final = tuple(_fields())
"""Those that the form has."""


class _SettingsForm(ServiceForm):
    """Shows the settings as they are, with the defaults of what nobody has decided."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        settings = organization_settings.read(kwargs["instance"].settings).document()
        super().__init__(*args, **{**kwargs, "initial": settings})


OrganizationForm = type("OrganizationForm", (_SettingsForm,), _fields())
"""Name, address name, and every setting."""
