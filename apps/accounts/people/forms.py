"""Admin forms of people in one organization: the role, and where it applies."""

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from unfold import widgets

from apps.accounts.models import Membership, MembershipScope, Role
from apps.accounts.people.memberships import RoleAt
from apps.accounts.people.selectors import places_of
from apps.common.model_admin.services import ServiceForm
from apps.tenancy.models import Building, Site

HELD = ("role", "scope", "sites", "buildings")
"""The fields that define a role and where it applies."""
EVERYWHERE = "in the whole organization"
SOMEWHERE = "at some places only"


class HeldForm(ServiceForm):
    """A role, and the places where it applies."""

    organizations: ClassVar[frozenset[UUID]] = frozenset()
    """Organizations whose places can be chosen."""

    role = forms.ChoiceField(
        choices=[(role, role.label) for role in Role], initial=Role.VIEWER, widget=widgets.UnfoldAdminSelectWidget
    )
    scope = forms.ChoiceField(
        choices=[(MembershipScope.ORGANIZATION, EVERYWHERE), (MembershipScope.PLACES, SOMEWHERE)],
        label="Where the role applies",
        widget=widgets.UnfoldAdminSelectWidget,
    )
    sites = forms.ModelMultipleChoiceField(
        Site._base_manager.none(),
        required=False,
        help_text="With every building of them.",
        widget=widgets.UnfoldAdminCheckboxSelectMultipleWidget,
    )
    buildings = forms.ModelMultipleChoiceField(
        Building._base_manager.none(), required=False, widget=widgets.UnfoldAdminCheckboxSelectMultipleWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, model in (("sites", Site), ("buildings", Building)):
            if name in self.fields:
                field: Any = self.fields[name]
                field.queryset = model.objects.filter(organization_id__in=self.organizations).order_by("name", "id")

    def clean(self) -> dict[str, Any]:
        """Check that the selected places match the scope of the role."""
        cleaned = super().clean()
        is_ticked = bool(cleaned.get("sites") or cleaned.get("buildings"))
        if cleaned.get("scope") == MembershipScope.PLACES and not is_ticked:
            self.add_error("scope", f"Tick at least one site or building, or choose “{EVERYWHERE}”.")
        if cleaned.get("scope") == MembershipScope.ORGANIZATION and is_ticked:
            self.add_error("scope", f"Choose “{SOMEWHERE}”, or untick the sites and buildings below.")
        return cleaned

    @property
    def held(self) -> RoleAt:
        """Return the role for the services; places are used only for a role of scope `places`."""
        scope = MembershipScope(self.cleaned_data["scope"])
        named = self.cleaned_data if scope == MembershipScope.PLACES else {"sites": (), "buildings": ()}
        sites, buildings = (frozenset(place.id for place in named[kind]) for kind in ("sites", "buildings"))
        return RoleAt(Role(self.cleaned_data["role"]), scope, sites, buildings)

    @property
    def typed(self) -> dict[str, Any]:
        """Combine role, scope and places into one value, which changes as a whole."""
        values = super().typed
        rest = {name: value for name, value in values.items() if name not in HELD}
        return {**rest, "held": self.held} if rest.keys() != values.keys() else rest


class PersonForm(HeldForm):
    """A person's display data and role in an organization."""

    membership: ClassVar[Membership]

    name = forms.CharField(max_length=201, widget=widgets.UnfoldAdminTextInputWidget)
    title = forms.CharField(
        max_length=100,
        required=False,
        empty_value=None,
        help_text="What they are here, as in: School nurse.",
        widget=widgets.UnfoldAdminTextInputWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        one = self.membership
        places = places_of([one]).get(one.user_id)
        initial = {
            "name": one.name,
            "title": one.title,
            "role": one.role,
            "scope": one.scope,
            "sites": list(places.sites) if places else [],
            "buildings": list(places.buildings) if places else [],
        }
        super().__init__(*args, **{**kwargs, "initial": initial})
