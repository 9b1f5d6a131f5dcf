"""Request bodies of people, invitations and day accounts."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from rest_framework import serializers

from apps.accounts.identity.serializers import locale_field, password_field, secret_field
from apps.accounts.models import MembershipScope, Role
from apps.accounts.people.documents import InvitationDocument, PersonDocument
from apps.accounts.people.memberships import RoleAt, RoleChange
from apps.common.http.serializers import StrictSerializer, ZonedDateTimeField

MOST_PLACES: Final = 500


class PlacesSerializer(StrictSerializer):
    """The places where a role of scope `places` applies; a site includes all of its buildings, also later ones."""

    sites = serializers.ListField(child=serializers.UUIDField(), max_length=MOST_PLACES, required=False)
    buildings = serializers.ListField(child=serializers.UUIDField(), max_length=MOST_PLACES, required=False)


class HeldSerializer(StrictSerializer):
    """A role, and where it applies: in the whole organization, or at some places only."""

    role = serializers.ChoiceField(Role.choices)
    scope = serializers.ChoiceField(MembershipScope.choices, required=False, help_text="`organization` if left out.")
    places = PlacesSerializer(required=False, help_text="Only for scope `places`.")


class MembershipSerializer(HeldSerializer):
    """A role in another organization."""

    organization = serializers.UUIDField()


class PersonSerializer(StrictSerializer):
    """A person in one organization. The organization can change `name` and `title`; the rest belongs to the person."""

    answered = PersonDocument

    name = serializers.CharField(max_length=201)
    title = serializers.CharField(max_length=100, allow_null=True, default=None, help_text="School nurse, for example.")


class InvitationSerializer(HeldSerializer):
    """A role that is offered to an e-mail address."""

    answered = InvitationDocument

    email = serializers.EmailField(max_length=255)
    expires_at = ZonedDateTimeField(required=False, help_text="7 days from now if left out; at most 30.")


class DayAccountBodySerializer(StrictSerializer):
    """A person who is present for a day. They can only raise alarms, everywhere or at some places."""

    first_name = serializers.CharField(max_length=100)
    last_name = serializers.CharField(max_length=100)
    email = serializers.EmailField(
        max_length=255, allow_null=True, required=False, help_text="The code is sent there, and not returned."
    )
    expires_at = ZonedDateTimeField(required=False, help_text="12 hours from now if left out; at most 24.")
    scope = serializers.ChoiceField(MembershipScope.choices, required=False, help_text="`organization` if left out.")
    places = PlacesSerializer(required=False, help_text="Only for scope `places`.")


class DayCodeSerializer(StrictSerializer):
    """The code of a day account, in any case, with or without its dashes."""

    code = serializers.CharField(max_length=64)


def held(values: Mapping[str, Any], role: str | None = None) -> RoleAt:
    """Build the role of a request body. Raises Invalid."""
    places = values.get("places", {})
    return RoleAt(
        Role(role or values["role"]),
        MembershipScope(values.get("scope", MembershipScope.ORGANIZATION)),
        frozenset(places.get("sites", ())),
        frozenset(places.get("buildings", ())),
    )


def role_change(values: Mapping[str, Any]) -> RoleChange:
    """Build the change of a role from a request body; given places replace the current ones."""
    places = values.get("places")
    return RoleChange(
        role=Role(values["role"]) if "role" in values else None,
        scope=MembershipScope(values["scope"]) if "scope" in values else None,
        sites=_ids(places, "sites"),
        buildings=_ids(places, "buildings"),
    )


def _ids(places: Mapping[str, list[UUID]] | None, kind: str) -> frozenset[UUID] | None:
    return None if places is None else frozenset(places.get(kind, ()))


class RegisterByInvitationSerializer(StrictSerializer):
    """A new account for the recipient of an invitation."""

    token = secret_field()
    password = password_field(help_text="At least 12 characters, and not a common password.")
    first_name = serializers.CharField(max_length=100)
    last_name = serializers.CharField(max_length=100)
    locale = locale_field()


class RegisterOpenlySerializer(StrictSerializer):
    """A request to join an organization that is open to registration."""

    organization = serializers.CharField(max_length=100, help_text="Its slug.")
    email = serializers.EmailField(max_length=255)
