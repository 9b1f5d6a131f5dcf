"""The context of the board page: data for the template, and the state from which the script continues."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from apps.portal.cards import (
    Card,
    Eye,
    Moment,
    Step,
    after_text,
    card_of,
    moment,
    ordered,
    place_words,
    timeline,
    trouble_words,
)
from apps.portal.documents import AlertDocument, TroubleDocument
from apps.portal.words import GRAVITY, ICONS, TYPES


@dataclass(frozen=True, slots=True)
class Picture:
    """The open alerts of one organization at one moment; `epoch` and `cursor` say where the feed continues."""

    organization_id: UUID
    organization_name: str
    person_name: str
    only: Sequence[str]
    """Names of the buildings to which this person is limited; empty for the whole organization."""
    may_act: bool
    epoch: UUID
    cursor: int
    alerts: Sequence[msgspec.Raw]
    """Alert documents, as the API returns them."""
    may_see_devices: bool
    troubles: Sequence[TroubleDocument]
    """Open troubles; only the newest if there are many."""
    complete: bool
    """False if there are more open alerts than fit on the page."""
    last: msgspec.Raw | None = None
    """The newest alert, open or closed."""
    armed: Sequence[msgspec.Raw] = ()
    """The buttons whose next press is a drill."""


class ArmedButton(msgspec.Struct, frozen=True):
    """A button that is armed for a drill, as the feed publishes it."""

    device_id: str
    room: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ArmedRow:
    """An armed button, as the page shows it."""

    name: str
    until: Moment


@dataclass(frozen=True, slots=True)
class LastPress:
    """The last press, and how long it took to reach the cloud."""

    room: str
    at: Moment
    took: str


@dataclass(frozen=True, slots=True)
class TroubleRow:
    """A row of the list "Needs you"."""

    words: str
    since: Moment


def board_context(
    picture: Picture,
    eye: Eye,
    *,
    feed_url: str,
    alerts_url: str,
    drills_url: str,
    troubles_url: str,
    login_url: str,
) -> dict[str, object]:
    """Return the template context of `board.html`."""
    alerts = ordered(_document(raw) for raw in picture.alerts)
    cards = [card_of(alert, eye) for alert in alerts]
    return {
        "organization": {"id": picture.organization_id, "name": picture.organization_name},
        "me": {"id": eye.person_id, "name": picture.person_name},
        "may_act": picture.may_act,
        "only": ", ".join(picture.only),
        "title": _title(cards, picture.organization_name),
        "count": _count(len(cards), complete=picture.complete),
        "rendered": moment(eye.now, eye),
        "cards": cards,
        "icons": ICONS,
        "timeline": timeline(alerts[0], eye) if alerts else list[Step](),
        "troubles": [TroubleRow(trouble_words(one), moment(one.since, eye)) for one in picture.troubles],
        "last": _last_press(picture.last, eye),
        "armed": [_armed_row(raw, eye) for raw in picture.armed],
        "data": {
            "organization": {"id": str(picture.organization_id), "name": picture.organization_name},
            "me": {"id": str(eye.person_id), "name": picture.person_name},
            "mayAct": picture.may_act,
            "maySeeDevices": picture.may_see_devices,
            "epoch": str(picture.epoch),
            "cursor": picture.cursor,
            "renderedAt": moment(eye.now, eye).iso,
            "complete": picture.complete,
            "addresses": {str(site): address for site, address in eye.addresses.items()},
            "alerts": [msgspec.json.decode(raw) for raw in picture.alerts],
            "troubles": msgspec.to_builtins(picture.troubles),
            "armed": [msgspec.json.decode(raw) for raw in picture.armed],
            "gravity": GRAVITY,
            "types": msgspec.to_builtins(dict(TYPES)),
            "urls": {
                "feed": feed_url,
                "alerts": alerts_url,
                "drills": drills_url,
                "troubles": troubles_url,
                "login": login_url,
            },
        },
    }


def _document(raw: msgspec.Raw) -> AlertDocument:
    return msgspec.json.decode(raw, type=AlertDocument)


def _armed_row(raw: msgspec.Raw, eye: Eye) -> ArmedRow:
    button = msgspec.json.decode(raw, type=ArmedButton)
    return ArmedRow(button.room or f"Button {button.device_id}", moment(button.expires_at, eye))


def _title(cards: Sequence[Card], organization: str) -> str:
    if not cards:
        return f"All quiet · {organization}"
    first = cards[0]
    drill = "DRILL " if first.drill else ""
    return f"({len(cards)}) {drill}{first.label}, {first.room} · {organization}"


def _count(count: int, *, complete: bool) -> str:
    if not complete:
        return f"More than {count} open alerts"
    if not count:
        return "No open alerts"
    return "1 open alert" if count == 1 else f"{count} open alerts"


def _last_press(raw: msgspec.Raw | None, eye: Eye) -> LastPress | None:
    """Return the last press unless it was late: a late one says nothing about the chain now."""
    if raw is None:
        return None
    alert = _document(raw)
    if alert.is_late or alert.hops.pressed_at is None:
        return None
    took = after_text(alert.received_at - alert.hops.pressed_at).lstrip("+")
    return LastPress(place_words(alert)[0], moment(alert.triggered_at, eye), took)


Action = Literal["acknowledge", "resolve"]
