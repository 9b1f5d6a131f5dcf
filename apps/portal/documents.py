"""Documents of the contract, with the fields that the board shows."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec


class Named(msgspec.Struct, frozen=True):
    """A person or a place, with its name at the time of the alert."""

    id: UUID
    name: str


class Room(msgspec.Struct, frozen=True):
    """A room, with its name at the time of the alert."""

    id: UUID
    room_number: str
    name: str | None = None


class Place(msgspec.Struct, frozen=True):
    """Where the alert was raised."""

    site: Named
    building: Named
    floor: Named
    room: Room


class Button(msgspec.Struct, frozen=True):
    """The button; `id` is None if it is not registered here."""

    device_id: str
    id: UUID | None = None


class Approvals(msgspec.Struct, frozen=True):
    """The all clears: how many were given, how many are required, and who gave them."""

    given: int
    required: int
    by: list[Named]


class Hops(msgspec.Struct, frozen=True):
    """When the alert passed each hop; None if it did not."""

    pressed_at: datetime | None = None
    arrived_at: datetime | None = None
    stored_at: datetime | None = None
    acted_at: datetime | None = None
    received_at: datetime | None = None


class AlertDocument(msgspec.Struct, frozen=True):
    """One alert (`contracts/alert`)."""

    id: UUID
    alert_type: str
    status: Literal["new", "acknowledged", "resolved", "cancelled"]
    source: Literal["button", "mobile", "web", "api"]
    is_drill: bool
    is_silent: bool
    is_late: bool
    is_unattributed: bool
    device: Button | None
    place: Place | None
    triggered_at: datetime
    received_at: datetime
    presses: int
    last_pressed_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: Named | None
    approvals: Approvals
    hops: Hops


class TroubleDocument(msgspec.Struct, frozen=True):
    """One open trouble (`contracts/live`, device.trouble)."""

    id: UUID
    device: str | None
    gateway: Named | None
    kind: str
    detail: str | None
    since: datetime
