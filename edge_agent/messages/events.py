"""Gateway events for the cloud. Each kind is a struct with its `kind` as the tag."""

import msgspec

from edge_agent.messages.alert_types import AlertType
from edge_agent.messages.severity import Severity


class Event(msgspec.Struct, kw_only=True, tag_field="kind"):
    """Base of all events. `event_id` is assigned when the event is stored, in the order of the alert's timeline."""

    event_id: str = ""
    at: str

    @property
    def about(self) -> str | None:
        """The alert whose timeline this belongs to; events of one timeline stay in order."""
        return None


class Hops(msgspec.Struct, kw_only=True):
    """Times of a press at each hop, by the gateway's clock; null until it passed the hop.

    The press was made between `earliest_at` and `latest_at` by the cloud's clock; null if unknown.
    """

    pressed_at: str
    arrived_at: str
    stored_at: str | None = None
    acted_at: str | None = None
    earliest_at: str | None = None
    latest_at: str | None = None


class PressEvent(Event, kw_only=True):
    """All facts of a press, so that the cloud can raise an alert from any of them (the gateway may miss a close)."""

    alert_id: str
    device: str
    inst: str
    seq: int
    room: str | None
    type: AlertType
    severity: Severity
    silent: bool
    drill: bool
    live: bool
    hops: Hops
    policy: int
    clock_suspect: bool = False
    pattern: str | msgspec.UnsetType = msgspec.UNSET
    key: int | msgspec.UnsetType = msgspec.UNSET
    upgrades: str | msgspec.UnsetType = msgspec.UNSET
    claimed_at: str | msgspec.UnsetType = msgspec.UNSET

    @property
    def about(self) -> str | None:
        """The alert of the press."""
        return self.alert_id


class Raised(PressEvent, tag="alert.raised"):
    """A press raised an alert, which is named after it."""


class PressedAgain(PressEvent, tag="alert.pressed_again"):
    """A later press joined `alert_id`; device, inst and seq are those of that press."""


class _Action(Event, kw_only=True):
    alert_id: str
    action: str
    target: str
    room: str | None
    generation: int
    confirmed: bool
    reason: str | msgspec.UnsetType = msgspec.UNSET

    @property
    def about(self) -> str | None:
        """The alert of the action."""
        return self.alert_id


class ActionStarted(_Action, tag="action.started"):
    """The building's broker accepted the message; the speaker has not confirmed it."""


class ActionFailed(_Action, tag="action.failed"):
    """The message expired before it could be delivered."""


class _Trouble(Event, kw_only=True):
    """`device` is null for a trouble of the gateway itself."""

    device: str | None
    trouble: str
    detail: str | None
    since: str


class TroubleBegan(_Trouble, tag="device.trouble"):
    """A trouble began."""


class TroubleEnded(_Trouble, tag="device.recovered"):
    """A trouble ended."""


class EndedBy(msgspec.Struct, kw_only=True):
    """The actor who ended an alert. The gateway itself only ends drills, when a real press arrives."""

    via: str = "real_press"
    person: str | None = None
    name: str | None = None


class Resolved(Event, tag="alert.resolved", kw_only=True):
    """A real press ended a drill."""

    alert_id: str
    by: EndedBy
    reason: str = "drill"

    @property
    def about(self) -> str | None:
        """The alert that ended."""
        return self.alert_id


class OpenTrouble(msgspec.Struct, frozen=True, kw_only=True):
    """An ongoing trouble; `device` is null for the gateway itself."""

    device: str | None
    trouble: str
    since: str


class Status(Event, tag="gateway.status", kw_only=True):
    """`configuration` is 0 if none was applied. `troubles` lists all ongoing ones; absent if unknown."""

    versions: dict[str, str]
    queue_depth: int
    clock_offset_ms: int | None
    configuration: int
    troubles: list[OpenTrouble] | msgspec.UnsetType = msgspec.UNSET
