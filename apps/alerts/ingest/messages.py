"""The events of a gateway, decoded once. `contracts/edge_event` is the authority for every field and limit."""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from contracts import AlertTypeName, Severity, grammar

DeviceId = Annotated[str, Meta(pattern=grammar("device_id"))]
Inst = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}\Z")]
PressSeq = Annotated[int, Meta(ge=1, le=2**32 - 1)]
OwnAlertId = Annotated[str, Meta(pattern=grammar("alert_id"))]
AnyAlertId = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00]*\Z")]
Word = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,49}\Z")]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*\Z")]
Detail = Annotated[str, Meta(max_length=1000, pattern=r"^[^\x00]*\Z")]
Text64 = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00]*\Z")]
Count = Annotated[int, Meta(ge=1, le=2**32 - 1)]
Natural = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Time = Annotated[datetime, Meta(tz=True)]
CloseReason = Literal["real", "drill", "test", "mistake", "fault"]


FIRST_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST_TIME: Final = datetime(3000, 1, 1, tzinfo=UTC)
"""Times that the contract allows, the last one excluded: none is at the limits of the calendar."""


def require_times(*times: datetime | msgspec.UnsetType | None) -> None:
    """Raise ValueError for a time that the contract does not allow."""
    for time in times:
        if isinstance(time, datetime) and not FIRST_TIME <= time < LAST_TIME:
            raise ValueError("a time is from 1970 to 2999")


class Hops(Struct, frozen=True):
    """When the press passed each point, by the gateway's clock; None for a point that it did not pass.

    `earliest_at` and `latest_at` are bounds by the cloud's clock, as the gateway measured it; None if it could not,
    UNSET from a gateway that does not measure it.
    """

    pressed_at: Time
    arrived_at: Time
    stored_at: Time | None = None
    acted_at: Time | None = None
    earliest_at: Time | msgspec.UnsetType | None = msgspec.UNSET
    latest_at: Time | msgspec.UnsetType | None = msgspec.UNSET

    def __post_init__(self) -> None:
        require_times(self.pressed_at, self.arrived_at, self.stored_at, self.acted_at, self.earliest_at, self.latest_at)


class Event(Struct, frozen=True, tag_field="kind"):
    """The fields of every event."""

    event_id: UUID
    at: Time

    def __post_init__(self) -> None:
        require_times(self.at)


class PressFacts(Event, frozen=True):
    """A press as the gateway classified it."""

    device: DeviceId
    inst: Inst
    seq: PressSeq
    room: UUID | None
    type: AlertTypeName
    severity: Severity
    silent: bool
    drill: bool
    live: bool
    hops: Hops
    policy: Natural
    pattern: Text64 | None = None
    key: Annotated[int, Meta(ge=1, le=8)] | None = None
    clock_suspect: bool = False

    @property
    def press_id(self) -> str:
        """The name of an alert that starts with this press."""
        return f"{self.device}:{self.inst}:{self.seq}"


class AlertRaised(PressFacts, frozen=True, tag="alert.raised", kw_only=True):
    """A press became an alert."""

    alert_id: OwnAlertId
    upgrades: AnyAlertId | None = None


class AlertPressedAgain(PressFacts, frozen=True, tag="alert.pressed_again", kw_only=True):
    """A later press joined the alert `alert_id`."""

    alert_id: AnyAlertId


class BuildingAct(Struct, frozen=True):
    """Who acted in the building: the board names a person, a key switch does not. A gateway never acts on its own.

    `real_press` can only end a drill.
    """

    via: Literal["key_switch", "board", "real_press"]
    person: UUID | None
    name: Name | None

    def __post_init__(self) -> None:
        if self.via == "board" and self.person is None:
            raise ValueError("an act on the building's board names its person")


class AlertAcknowledged(Event, frozen=True, tag="alert.acknowledged"):
    """A person acknowledged in the building."""

    alert_id: AnyAlertId
    by: BuildingAct


class AlertResolved(Event, frozen=True, tag="alert.resolved"):
    """A person resolved the alert in the building."""

    alert_id: AnyAlertId
    by: BuildingAct
    reason: CloseReason | None = None


class ActionEvent(Event, frozen=True):
    """An automatic action of the building, such as a PA zone, a strobe or a webhook."""

    alert_id: AnyAlertId
    action: Literal["pa", "strobe", "webhook"]
    target: Name
    generation: Count
    room: UUID | None = None


class ActionStarted(ActionEvent, frozen=True, tag="action.started"):
    """The action started."""


class ActionDone(ActionEvent, frozen=True, tag="action.done", kw_only=True):
    """The action completed."""

    confirmed: bool


class ActionFailed(ActionEvent, frozen=True, tag="action.failed", kw_only=True):
    """The action failed."""

    confirmed: bool
    reason: Word


class ActionStopped(ActionEvent, frozen=True, tag="action.stopped"):
    """The action was stopped early."""

    confirmed: bool | None = None
    reason: Word | None = None


class DeviceTrouble(Event, frozen=True, tag="device.trouble"):
    """A condition that may prevent an alarm; without a device it concerns the gateway itself."""

    device: DeviceId | None
    trouble: Word
    since: Time
    detail: Detail | None = None

    def __post_init__(self) -> None:
        require_times(self.at, self.since)


class DeviceRecovered(Event, frozen=True, tag="device.recovered"):
    """The trouble ended."""

    device: DeviceId | None
    trouble: Word


class PressRefused(Event, frozen=True, tag="press.refused"):
    """Messages that the gateway could not read or did not accept for lack of permission."""

    reason: Word
    count: Count
    digest: Sha256
    device: DeviceId | None = None
    topic: Annotated[str, Meta(max_length=200, pattern=r"^[^\x00]*\Z")] | None = None


class SelftestDone(Event, frozen=True, tag="selftest.done"):
    """The result of the nightly test press through the whole chain."""

    device: DeviceId
    inst: Inst
    seq: PressSeq
    passed: bool
    hops: Hops
    reason: Word | None = None


class StandingTrouble(Struct, frozen=True):
    """An open trouble at the gateway; without a device it concerns the gateway itself."""

    device: DeviceId | None
    trouble: Word
    since: Time

    def __post_init__(self) -> None:
        require_times(self.since)


class GatewayStatus(Event, frozen=True, tag="gateway.status", kw_only=True):
    """The state of the gateway. `troubles` lists all open ones; unset if unknown, or if there are too many."""

    versions: dict[Word, Text64]
    queue_depth: Natural
    clock_offset_ms: int | None
    configuration: Natural
    troubles: Annotated[list[StandingTrouble], Meta(max_length=1000)] | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        require_times(self.at)
        if "agent" not in self.versions:
            raise ValueError("versions names the agent")


AnyEvent = (
    AlertRaised
    | AlertPressedAgain
    | AlertAcknowledged
    | AlertResolved
    | ActionStarted
    | ActionDone
    | ActionFailed
    | ActionStopped
    | DeviceTrouble
    | DeviceRecovered
    | PressRefused
    | SelftestDone
    | GatewayStatus
)


class EventsRequest(Struct, frozen=True):
    """POST /api/v1/edge/events. `sent_at` is the gateway's clock at the moment of sending."""

    epoch: UUID
    events: Annotated[list[msgspec.Raw], Meta(min_length=1)]
    sent_at: Time | None = None


class EventHead(Struct, frozen=True):
    """The part of an invalid event that its result needs."""

    event_id: UUID | None = None
    kind: Annotated[str, Meta(max_length=40, pattern=r"^[^\x00]*\Z")] = "unknown"


class EventResult(Struct, frozen=True):
    """The result of one event. `retry`: nothing was stored, and the gateway sends it again."""

    event_id: UUID | None
    result: Literal["stored", "repeat", "quarantined", "retry"]
    reason: str | None = None
    detail: str | None = None


class EventsAnswer(Struct, frozen=True):
    """The response, sent only after commit; `watermark` is the greatest event id stored for this epoch."""

    watermark: UUID | None
    results: list[EventResult]


decode_request = msgspec.json.Decoder(EventsRequest).decode
decode_event = msgspec.json.Decoder(AnyEvent).decode
decode_head = msgspec.json.Decoder(EventHead).decode
