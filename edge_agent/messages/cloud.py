"""Messages from the cloud: event responses, tokens, the signed configuration, the downlink."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from edge_agent.messages.alert_types import AlertType
from edge_agent.messages.severity import Severity

Version = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
FeedSeq = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Result(msgspec.Struct, frozen=True):
    """The result for one event; after any other than `retry` the gateway may drop the event."""

    event_id: str | None
    result: Literal["stored", "repeat", "quarantined", "retry"]
    reason: str | None = None
    detail: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """The response to a request of events; `watermark` is the greatest event id stored of this epoch."""

    watermark: str | None
    results: list[Result]


class Token(msgspec.Struct, frozen=True):
    """`expires_in` in seconds."""

    access_token: str
    token_type: str
    expires_in: int


class Room(msgspec.Struct, frozen=True):
    """A room by its id."""

    id: str


class Device(msgspec.Struct, frozen=True):
    """A device of the configuration. No `lifecycle` blocks a press, not even an unknown one."""

    device: str
    room: str | None
    lifecycle: str = "active"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """The meaning of a pattern; absent fields match everything."""

    pattern: str
    type: AlertType
    device: str | None = None
    room: str | None = None
    key: int | None = None
    severity: Severity | None = None
    silent: bool = False


class Speaker(msgspec.Struct, frozen=True):
    """A PA endpoint in `room`, audible in the rooms that it `covers`."""

    room: str
    covers: list[str]


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration of a gateway's buildings. Rules are ordered from the most specific."""

    v: Literal[1]
    gateway: str
    version: Version
    rooms: list[Room]
    devices: list[Device]
    rules: list[Rule]
    speakers: list[Speaker]


class AlertDevice(msgspec.Struct, frozen=True):
    """The button that raised the alert."""

    device_id: str


class AlertPlace(msgspec.Struct, frozen=True):
    """The place where the alert was raised."""

    room: Room


class AlertDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of an alert document that the gateway uses."""

    alert_id: str
    alert_type: AlertType
    severity: Severity
    status: Literal["new", "acknowledged", "resolved", "cancelled"]
    source: str
    is_drill: bool
    is_silent: bool
    device: AlertDevice | None
    place: AlertPlace | None
    triggered_at: Moment
    last_pressed_at: Moment
    resolved_at: Moment | None


class AlertCreated(msgspec.Struct, frozen=True, tag="alert.created"):
    """An alert that is new in the cloud."""

    seq: FeedSeq
    alert: AlertDocument


class AlertUpdated(msgspec.Struct, frozen=True, tag="alert.updated"):
    """An alert that changed in the cloud."""

    seq: FeedSeq
    alert: AlertDocument


class Command(msgspec.Struct, frozen=True, tag="command"):
    """A command; `arm_drill` makes the device's next press until `expires_at` a drill."""

    seq: FeedSeq
    command: str
    device: str
    expires_at: Moment


class ConfigChanged(msgspec.Struct, frozen=True, tag="config.changed"):
    """A newer configuration is available for `gateway`, or for the receiver if absent."""

    seq: FeedSeq
    version: int
    gateway: str | None = None


class Cursor(msgspec.Struct, frozen=True):
    """A position in the cloud's feed, and the history (epoch) that it belongs to (None: unknown)."""

    cursor: int | None = None
    epoch: str | None = None


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """All missed messages were sent; live messages follow. `epoch` names the history that `seq` belongs to."""

    seq: FeedSeq
    epoch: str | None = None


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Keep-alive without a change."""

    seq: FeedSeq
    epoch: str | None = None


class Resync(msgspec.Struct, frozen=True, tag="resync"):
    """The cursor was ahead of the cloud, too old, or of another history: continue from `seq`."""

    seq: FeedSeq
    epoch: str | None = None


Downlink = AlertCreated | AlertUpdated | Command | ConfigChanged | Ready | Ping | Resync
