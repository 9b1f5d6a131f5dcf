"""What the cloud says: the answer to events, tokens, the signed configuration, the downlink."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from edge_agent.messages.alert_types import AlertType
from edge_agent.messages.words import Severity

Version = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
FeedSeq = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Result(msgspec.Struct, frozen=True):
    """What became of one event; any result but `retry` lets the gateway drop it."""

    event_id: str | None
    result: Literal["stored", "repeat", "quarantined", "retry"]
    reason: str | None = None
    detail: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """`watermark`: the greatest event id that the cloud has of this epoch."""

    watermark: str | None
    results: list[Result]


class Token(msgspec.Struct, frozen=True):
    """`expires_in` in seconds."""

    access_token: str
    token_type: str
    expires_in: int


class Room(msgspec.Struct, frozen=True):
    """A room, by its id."""

    id: str


class Device(msgspec.Struct, frozen=True):
    """No `lifecycle` ever blocks a press, not even one that this program does not know."""

    device: str
    room: str | None
    lifecycle: str = "active"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What a pattern means; fields that are absent match everything."""

    pattern: str
    type: AlertType
    device: str | None = None
    room: str | None = None
    key: int | None = None
    severity: Severity | None = None
    silent: bool = False


class Speaker(msgspec.Struct, frozen=True):
    """A PA endpoint in `room`, heard in the rooms it `covers`."""

    room: str
    covers: list[str]


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway knows of its buildings. Rules stand most specific first."""

    v: Literal[1]
    gateway: str
    version: Version
    rooms: list[Room]
    devices: list[Device]
    rules: list[Rule]
    speakers: list[Speaker]


class AlertDevice(msgspec.Struct, frozen=True):
    """The button that raised it."""

    device_id: str


class AlertPlace(msgspec.Struct, frozen=True):
    """Where it was raised."""

    room: Room


class AlertDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the alert document that the gateway decides with."""

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
    """An alert that is new to the cloud."""

    seq: FeedSeq
    alert: AlertDocument


class AlertUpdated(msgspec.Struct, frozen=True, tag="alert.updated"):
    """An alert whose state changed in the cloud."""

    seq: FeedSeq
    alert: AlertDocument


class Command(msgspec.Struct, frozen=True, tag="command"):
    """`arm_drill`: the next press of that device until `expires_at` is a drill."""

    seq: FeedSeq
    command: str
    device: str
    expires_at: Moment


class ConfigChanged(msgspec.Struct, frozen=True, tag="config.changed"):
    """A newer configuration can be fetched, by `gateway`; without one, by whoever reads this."""

    seq: FeedSeq
    version: int
    gateway: str | None = None


class Cursor(msgspec.Struct, frozen=True):
    """How far the cloud was heard: a place in its order, and the history that this counts in (None: not known)."""

    cursor: int | None = None
    epoch: str | None = None


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """All that was missed has been told; live from here. `epoch` names the history that `seq` counts in."""

    seq: FeedSeq
    epoch: str | None = None


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Nothing happened, and the line is good."""

    seq: FeedSeq
    epoch: str | None = None


class Resync(msgspec.Struct, frozen=True, tag="resync"):
    """The cursor was ahead of the cloud, too old, or of another history: go on from `seq`."""

    seq: FeedSeq
    epoch: str | None = None


Downlink = AlertCreated | AlertUpdated | Command | ConfigChanged | Ready | Ping | Resync
