"""What an organization may decide for itself: each setting with its meaning, its default and its limits.

The limits are floors too: no value that is allowed here keeps an alarm from sounding, from being answered or from being
handed on. Stored is only what differs from the defaults, so that a better default reaches whoever has not decided.
"""

from typing import Annotated, Final, Literal
from uuid import UUID
from zoneinfo import available_timezones

import msgspec
from msgspec import Meta

from apps.common.problems import Invalid
from contracts import AlertTypeName, alert_types

ResponderPolicy = Literal["direct", "confirm"]

TIME_ZONES: Final = frozenset(available_timezones())
"""Of the IANA database; asked of the file system once."""
ALWAYS_TWO_PERSONS: Final = frozenset(one.type for one in alert_types() if one.two_person)
"""One person's tap, or one stolen phone, never ends a lockdown."""


class OrganizationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The settings of one organization."""

    timezone: Annotated[
        str, Meta(max_length=50, description="IANA time zone of new sites, reports and drills, e.g. America/Chicago.")
    ] = "UTC"

    locale: Annotated[
        str,
        Meta(
            pattern=r"^[a-z]{2}(-[A-Z]{2})?\Z",
            max_length=5,
            description="Language, and country where it matters, of messages to people (BCP 47), e.g. en-US.",
        ),
    ] = "en-US"

    cancel_window_seconds: Annotated[
        int,
        Meta(
            ge=0,
            le=30,
            description="For how long who raised an alert on a phone or the web may take it back. 0: not at all. "
            "A button's press is never taken back. Kept for when phones raise alerts; nothing is taken back yet.",
        ),
    ] = 10

    two_person_types: Annotated[
        frozenset[AlertTypeName],
        Meta(description="Alerts of these types are ended by two different persons. Lockdown is always one of them."),
    ] = ALWAYS_TWO_PERSONS

    responder_policy: Annotated[
        ResponderPolicy,
        Meta(
            description="How police or PSAP are told, since laws differ. direct: at once. confirm: a designated admin "
            "confirms; when nobody does in time, it is sent anyway. Kept for when responders are told by the cloud: "
            "until then, call them."
        ),
    ] = "direct"

    responder_policy_by_site: Annotated[
        dict[UUID, ResponderPolicy],
        Meta(max_length=1000, description="Sites, by id, where `responder_policy` is another."),
    ] = {}

    responder_confirm_seconds: Annotated[
        int, Meta(ge=5, le=120, description="For how long `confirm` waits before it is sent anyway.")
    ] = 30

    escalate_after_seconds: Annotated[
        int,
        Meta(
            ge=30,
            le=900,
            description="An alert that nobody of the response team has taken climbs after this long: more people, "
            "then louder channels. It can not be turned off. Kept for when the cloud calls people; it does not yet.",
        ),
    ] = 120

    retention_years: Annotated[
        Annotated[int, Meta(ge=2, le=100)] | None,
        Meta(
            description="Years after which an alert may leave the archive. null: it is kept for ever. "
            "Nothing is deleted by it yet."
        ),
    ] = None

    legal_hold: Annotated[
        bool,
        Meta(description="While it stands nothing of this organization is deleted or pseudonymized, whatever its age."),
    ] = False

    viewers_see_open_alerts: Annotated[
        bool, Meta(description="Viewers see alerts while they are open too; never silent ones, never who did what.")
    ] = False

    open_registration: Annotated[
        bool, Meta(description="Whether people may register without an invitation. They get no rights by that.")
    ] = False

    mfa_required_for_admins: Annotated[
        bool, Meta(description="Whether admins need a second factor to sign in. It never stands before an alarm.")
    ] = False

    def responder_policy_at(self, site: UUID) -> ResponderPolicy:
        """How responders are told of an alert at a site."""
        return self.responder_policy_by_site.get(site, self.responder_policy)

    def stored(self) -> dict[str, object]:
        """What differs from the defaults, for the database."""
        differing: dict[str, object] = msgspec.to_builtins(self)
        return differing

    def document(self) -> dict[str, object]:
        """Every setting with its value."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        values["two_person_types"] = sorted(self.two_person_types)
        document: dict[str, object] = msgspec.to_builtins(values)
        return document


def read(stored: dict[str, object]) -> OrganizationSettings:
    """The settings behind what is stored.

    A name or a value that this version does not take any more is left out: whatever another version stored, the alarm
    that asks for it goes on, with the default.
    """
    known = {name: value for name, value in stored.items() if _problem(name, value) is None}
    return msgspec.convert(known, OrganizationSettings)


def changed(settings: OrganizationSettings, changes: dict[str, object]) -> OrganizationSettings:
    """The settings with these changes. Raises Invalid, which names each setting at fault."""
    errors: dict[str, list[str]] = {}
    for name, value in changes.items():
        problem = _problem(name, value)
        if problem:
            errors[name] = [problem]
    if errors:
        raise Invalid(errors=errors)
    return msgspec.convert(settings.stored() | changes, OrganizationSettings)


def _problem(name: str, value: object) -> str | None:
    """What is wrong with one setting, if anything."""
    if name not in OrganizationSettings.__struct_fields__:
        return "There is no such setting."
    try:
        alone = msgspec.convert({name: value}, OrganizationSettings)
    except msgspec.ValidationError as error:
        return str(error).partition(" - at `")[0]
    if alone.timezone not in TIME_ZONES:
        return "Not a time zone of the IANA database."
    if not alone.two_person_types >= ALWAYS_TWO_PERSONS:
        return "A lockdown is always ended by two persons."
    return None
