"""Representations of alerts; PostgreSQL itself builds the JSON of responses."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Struct

from apps.common.openapi.examples import openapi_example
from apps.common.openapi.members import NamedDocument, Timestamp, one_of
from contracts import alert_types, examples

ALERTS: Final[dict[str, dict[str, object]]] = {
    one.name: msgspec.json.decode(one.raw) for one in examples("alert", "valid")
}
"""The contract's examples, by name."""
CLOSE_REASONS = ["real", "drill", "test", "mistake", "fault"]


class AlertRoomDocument(Struct, frozen=True):
    """A room as it was named when the alert was raised."""

    id: UUID
    room_number: str
    name: str | None


class PlaceDocument(Struct, frozen=True):
    """The alert's place, as it was named when the alert was raised."""

    site: NamedDocument
    building: NamedDocument
    floor: NamedDocument
    room: AlertRoomDocument


class AlertDeviceDocument(Struct, frozen=True):
    """The button; `id` is null for one that is not registered."""

    id: UUID | None
    device_id: str


class ApprovalsDocument(Struct, frozen=True):
    """How many different people have approved ending the alert, and how many are required."""

    given: int
    required: int
    by: Sequence[NamedDocument]


class HopsDocument(Struct, frozen=True):
    """When the press passed each point."""

    pressed_at: Timestamp
    arrived_at: Timestamp
    stored_at: Timestamp | None
    acted_at: Timestamp | None
    received_at: Timestamp


@openapi_example(response=ALERTS["acknowledged"])
class AlertDocument(Struct, frozen=True):
    """One alert."""

    id: UUID
    alert_id: str
    organization_id: UUID
    alert_type: Annotated[str, one_of([one.type for one in alert_types()])]
    severity: Annotated[str, one_of(["low", "medium", "high", "critical"])]
    status: Annotated[str, one_of(["new", "acknowledged", "resolved", "cancelled"])]
    source: Annotated[str, one_of(["button", "mobile", "web", "api"])]
    is_drill: bool
    is_silent: bool
    is_late: bool
    is_unattributed: bool
    device: AlertDeviceDocument | None
    room_id: UUID | None
    place: PlaceDocument | None
    triggered_at: Timestamp
    received_at: Timestamp
    presses: int
    last_pressed_at: Timestamp
    acknowledged_at: Timestamp | None
    acknowledged_by: NamedDocument | None
    resolved_at: Timestamp | None
    resolved_by: NamedDocument | None
    approvals: ApprovalsDocument
    close_reason: Annotated[str, one_of(CLOSE_REASONS)] | None
    hops: HopsDocument


@openapi_example(response={"code": "awaiting_second_person", "alert": ALERTS["one_of_two_approvals"]})
class AwaitingDocument(Struct, frozen=True):
    """The first of two persons has agreed."""

    code: Annotated[str, one_of(["awaiting_second_person"])]
    alert: AlertDocument


@openapi_example(response={"device_id": "ss-7c9ebd12f0a4", "expires_at": "2026-09-01T08:16:03.120Z"})
class ArmedDrillDocument(Struct, frozen=True):
    """A press of this button until `expires_at` starts a drill; every other press is real."""

    device_id: str
    expires_at: datetime


class ArmedButtonDocument(ArmedDrillDocument, frozen=True):
    """A button that is armed now, with the room that it hangs in."""

    building_id: UUID | None
    room: str | None
    armed_at: Timestamp


@openapi_example(
    response={
        "results": [
            {
                "device_id": "ss-7c9ebd12f0a4",
                "building_id": "0198f2c4-6a10-7003-9c41-5d2e8f7a0003",
                "room": "Room 12",
                "armed_at": "2026-09-01T08:15:03.120Z",
                "expires_at": "2026-09-01T08:16:03.120Z",
            }
        ]
    }
)
class ArmedButtonsDocument(Struct, frozen=True):
    """The buttons that are armed now."""

    results: Sequence[ArmedButtonDocument]
