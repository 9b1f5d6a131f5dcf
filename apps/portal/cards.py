"""Cards of the board, one for each alert. `static/board/words.js` writes the same texts in the browser."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final
from uuid import UUID

from apps.alerts.room_names import room_name
from apps.portal.documents import AlertDocument, TroubleDocument
from apps.portal.words import GRAVITY, TYPES, type_words


@dataclass(frozen=True, slots=True)
class Moment:
    """A time for `<time>`: machine-readable, and as text for people."""

    iso: str
    text: str


NO_MOMENT: Final = Moment("", "")


@dataclass(frozen=True, slots=True)
class Eye:
    """The viewer of the page: the person, the present time, and the time zone to show."""

    person_id: UUID
    now: datetime
    zone: tzinfo
    addresses: Mapping[UUID, str]
    """Street address of each site that has one."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an alert's timeline."""

    at: Moment
    text: str
    after: str


@dataclass(frozen=True, slots=True)
class Card:
    """The data of `_alert.html`."""

    id: UUID
    type: str
    icon: str
    label: str
    saying: str
    room: str
    where: str
    age: str
    since: Moment
    received: Moment
    last: Moment
    taken: Moment
    state: str
    approval: str
    again: str
    outside: str
    call: str
    close_label: str
    close_open: bool
    drill: bool
    silent: bool
    late: bool
    unattributed: bool
    acknowledged: bool


def ordered(alerts: Iterable[AlertDocument]) -> list[AlertDocument]:
    """Sort by importance: real before drill, gravest first (unknown types before all others), newest first."""
    rank = {kind: number for number, kind in enumerate(GRAVITY)}
    newest = sorted(alerts, key=lambda alert: (alert.triggered_at, str(alert.id)), reverse=True)
    return sorted(newest, key=lambda alert: (alert.is_drill, rank.get(alert.alert_type, -1)))


def card_of(alert: AlertDocument, eye: Eye) -> Card:
    """Return the card of one open alert, for one person."""
    words = type_words(alert.alert_type)
    room, where = place_words(alert)
    outside = "" if alert.is_drill else (words.outside or "")
    close_label, close_open = _close_button(alert, eye)
    return Card(
        id=alert.id,
        type=alert.alert_type,
        icon=alert.alert_type if alert.alert_type in TYPES else "other",
        label=words.label,
        saying=words.saying,
        room=room,
        where=where,
        age=age_text(eye.now - alert.triggered_at),
        since=moment(alert.triggered_at, eye),
        received=moment(alert.received_at, eye),
        last=moment(alert.last_pressed_at, eye),
        taken=moment(alert.acknowledged_at, eye),
        state=_state_words(alert, eye),
        approval=_approval_words(alert, eye),
        again=f"Pressed again, {alert.presses} presses in all, the last at " if alert.presses > 1 else "",
        outside=outside,
        call=_call_words(alert, words.label, eye) if outside else "",
        close_label=close_label,
        close_open=close_open,
        drill=alert.is_drill,
        silent=alert.is_silent,
        late=alert.is_late,
        unattributed=alert.is_unattributed,
        acknowledged=alert.status == "acknowledged",
    )


def trouble_words(trouble: TroubleDocument) -> str:
    """Describe a trouble: what it concerns, and what is wrong."""
    who = f"Button {trouble.device}" if trouble.device else "SafeSignal"
    if trouble.gateway and not trouble.device:
        who = f"Gateway {trouble.gateway.name}"
    return f"{who}: {trouble.detail or trouble.kind.replace('_', ' ')}"


def timeline(alert: AlertDocument, eye: Eye) -> list[Step]:
    """Return the known steps of an alert in order, with the time since the press."""
    hops = alert.hops
    pressed = hops.pressed_at or alert.triggered_at
    raised = f"{place_words(alert)[0]} pressed" if alert.source == "button" else f"Raised, {_SOURCES[alert.source]}"
    who = alert.acknowledged_by.name if alert.acknowledged_by else "somebody in the building"
    steps: list[tuple[datetime | None, str]] = [
        (pressed, raised),
        (hops.arrived_at, "At the gateway"),
        (hops.stored_at, "Stored by the gateway"),
        (hops.acted_at, "The gateway acted"),
        (hops.received_at or alert.received_at, "In the cloud"),
        (alert.last_pressed_at if alert.presses > 1 else None, f"Pressed again, {alert.presses} in all"),
        (alert.acknowledged_at, f"Acknowledged by {who}"),
    ]
    known = sorted(((at, text) for at, text in steps if at), key=lambda step: step[0])
    return [
        Step(moment(at, eye), text, after_text(at - pressed) if number else "")
        for number, (at, text) in enumerate(known)
    ]


def place_words(alert: AlertDocument) -> tuple[str, str]:
    """Return the name of the room, and its location."""
    if alert.place is None:
        return "Place unknown", f"Button {alert.device.device_id}" if alert.device else ""
    place = alert.place
    number = place.room.room_number
    room = room_name(number)
    name = place.room.name if place.room.name != number else None
    return room, ", ".join(part for part in (name, place.floor.name, place.building.name, place.site.name) if part)


def moment(at: datetime | None, eye: Eye) -> Moment:
    """Format a local time with seconds, with the day unless it is today, and with the zone if it is UTC."""
    if at is None:
        return NO_MOMENT
    local = at.astimezone(eye.zone)
    same_day = local.date() == eye.now.astimezone(eye.zone).date()
    text = f"{local:%H:%M:%S}" if same_day else f"{local:%b} {local.day}, {local:%H:%M:%S}"
    utc = " UTC" if local.tzname() == "UTC" else ""
    return Moment(f"{at.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}", f"{text}{utc}")


def age_text(age: timedelta) -> str:
    """Format an age: 01:24, 1:02:03, 2 d 03:04."""
    seconds = max(0, int(age.total_seconds()))
    minutes, hours = seconds // 60 % 60, seconds // 3600
    if hours >= _DAY_HOURS:
        return f"{hours // 24} d {hours % 24:02}:{minutes:02}"
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes:02}:{seconds % 60:02}"


def after_text(passed: timedelta) -> str:
    """Format the measured time since the press: +0.04 s, +41 s, +02:05."""
    seconds = passed.total_seconds()
    if abs(seconds) < _HUNDREDTHS_BELOW:
        return f"{seconds:+.2f} s"
    return f"+{round(seconds)} s" if abs(seconds) < _SECONDS_BELOW else f"+{age_text(passed)}"


def _state_words(alert: AlertDocument, eye: Eye) -> str:
    if alert.acknowledged_at is None:
        return "Nobody has acknowledged this yet."
    if alert.acknowledged_by is None:
        return "Somebody in the building acknowledged this at "
    who = "You" if alert.acknowledged_by.id == eye.person_id else alert.acknowledged_by.name
    return f"{who} acknowledged this at "


def _approval_words(alert: AlertDocument, eye: Eye) -> str:
    given, required = alert.approvals.given, alert.approvals.required
    if required < _TWO_PERSONS or not given:
        return ""
    names = ", ".join("you" if person.id == eye.person_id else person.name for person in alert.approvals.by)
    return f"All clear: {given} of {required}, given by {names}. A second person must confirm."


def _close_button(alert: AlertDocument, eye: Eye) -> tuple[str, bool]:
    given, required = alert.approvals.given, alert.approvals.required
    if required < _TWO_PERSONS:
        return "Resolve", True
    if not given:
        return f"All clear (1 of {required})", True
    if any(person.id == eye.person_id for person in alert.approvals.by):
        return f"All clear given ({given} of {required})", False
    return f"Confirm all clear ({given + 1} of {required})", True


def _call_words(alert: AlertDocument, label: str, eye: Eye) -> str:
    """Return the text to read aloud to the person who answers the call."""
    if alert.place is None:
        return f"{label}. The place is not known yet."
    place = alert.place
    address = eye.addresses.get(place.site.id)
    parts = (place.site.name, address, place.building.name, place.floor.name, place_words(alert)[0])
    return f"{label} at {', '.join(part for part in parts if part)}."


_SOURCES: Final = {"mobile": "from a phone", "web": "from the web", "api": "by another system"}
_TWO_PERSONS: Final = 2
_DAY_HOURS: Final = 24
_HUNDREDTHS_BELOW: Final = 10
_SECONDS_BELOW: Final = 60
