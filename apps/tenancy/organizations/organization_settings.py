"""The settings of an organization, each with its meaning, its default and its limits.

No value within the limits keeps an alarm from sounding, from being answered or from being handed on. Only values that
differ from the defaults are stored, so that a better default reaches every organization that has not decided.
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
"""The zones of the IANA database, read from the file system once."""
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
            description="How long a person may cancel an alert that they raised on a phone or the web. 0: not at all. "
            "A button's press cannot be cancelled. Stored for when phones raise alerts; it has no effect yet.",
        ),
    ] = 10

    two_person_types: Annotated[
        frozenset[AlertTypeName],
        Meta(description="Alerts of these types are ended by two different persons. Lockdown is always one of them."),
    ] = ALWAYS_TWO_PERSONS

    responder_policy: Annotated[
        ResponderPolicy,
        Meta(
            description="How police or PSAP are notified, since laws differ. direct: at once. confirm: a designated "
            "admin confirms; when nobody does in time, it is sent anyway. Stored for when the cloud notifies "
            "responders: until then, call them."
        ),
    ] = "direct"

    responder_policy_by_site: Annotated[
        dict[UUID, ResponderPolicy],
        Meta(max_length=1000, description="Sites, by id, with a different `responder_policy`."),
    ] = {}

    responder_confirm_seconds: Annotated[
        int, Meta(ge=5, le=120, description="How long `confirm` waits before it is sent anyway.")
    ] = 30

    escalate_after_seconds: Annotated[
        int,
        Meta(
            ge=30,
            le=900,
            description="An alert that nobody of the response team has acknowledged escalates after this long: more "
            "people, then louder channels. It cannot be turned off. Stored for when the cloud calls people; it has no "
            "effect yet.",
        ),
    ] = 120

    retention_years: Annotated[
        Annotated[int, Meta(ge=2, le=100)] | None,
        Meta(
            description="Years after which an alert may be deleted from the archive. null: it is kept for ever. "
            "Nothing is deleted yet."
        ),
    ] = None

    legal_hold: Annotated[
        bool,
        Meta(description="While true, nothing of this organization is deleted or pseudonymized, whatever its age."),
    ] = False

    viewers_see_open_alerts: Annotated[
        bool, Meta(description="Viewers can read open alerts too, but never silent ones, and never who did what.")
    ] = False

    open_registration: Annotated[
        bool, Meta(description="Whether people may register without an invitation. It gives them no rights.")
    ] = False

    mfa_required_for_admins: Annotated[
        bool, Meta(description="Whether admins need a second factor to sign in. It never blocks an alarm.")
    ] = False

    def responder_policy_at(self, site: UUID) -> ResponderPolicy:
        """Return the hand-off policy for alerts at a site."""
        return self.responder_policy_by_site.get(site, self.responder_policy)

    def stored(self) -> dict[str, object]:
        """Return the values that differ from the defaults, for the database."""
        differing: dict[str, object] = msgspec.to_builtins(self)
        return differing

    def document(self) -> dict[str, object]:
        """Return all settings with their values."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        values["two_person_types"] = sorted(self.two_person_types)
        document: dict[str, object] = msgspec.to_builtins(values)
        return document


def read(stored: dict[str, object]) -> OrganizationSettings:
    """Return the settings from their stored values.

    Names and values that this version does not accept are left out: whatever another version stored, an alarm that
    reads the setting continues with the default.
    """
    known = {name: value for name, value in stored.items() if _problem(name, value) is None}
    return msgspec.convert(known, OrganizationSettings)


def changed(settings: OrganizationSettings, changes: dict[str, object]) -> OrganizationSettings:
    """Return the settings with these changes. Raises Invalid, which names each invalid setting."""
    errors: dict[str, list[str]] = {}
    for name, value in changes.items():
        problem = _problem(name, value)
        if problem:
            errors[name] = [problem]
    if errors:
        raise Invalid(errors=errors)
    return msgspec.convert(settings.stored() | changes, OrganizationSettings)


def _problem(name: str, value: object) -> str | None:
    """Return what is wrong with one setting, if anything."""
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
