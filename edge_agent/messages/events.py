"""Gateway events: what the cloud is told. Each kind is one struct, its `kind` the tag."""

import msgspec

from edge_agent.messages.alert_types import AlertType
from edge_agent.messages.words import Severity


class Event(msgspec.Struct, kw_only=True, tag_field="kind"):
    """`event_id` is given when the event is handed to the store, in the order of the alert's story."""

    event_id: str = ""
    at: str

    @property
    def about(self) -> str | None:
        """The alert whose story this belongs to: within one story the order is kept."""
        return None


class Hops(msgspec.Struct, kw_only=True):
    """When the press passed each hop, by the gateway's clock; null while it has not.

    The press was made between `earliest_at` and `latest_at` by the cloud's clock; null where that is not known.
    """

    pressed_at: str
    arrived_at: str
    stored_at: str | None = None
    acted_at: str | None = None
    earliest_at: str | None = None
    latest_at: str | None = None


class PressEvent(Event, kw_only=True):
    """All facts of a press: the cloud may make an alert of any (an earlier close may be unknown here)."""

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
        """Its alert."""
        return self.alert_id


class Raised(PressEvent, tag="alert.raised"):
    """A press became an alert, named after it."""


class PressedAgain(PressEvent, tag="alert.pressed_again"):
    """A later press joined `alert_id`; device, inst and seq are its own."""


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
        """Its alert."""
        return self.alert_id


class ActionStarted(_Action, tag="action.started"):
    """The broker of the building has the message; the speaker has not confirmed it."""


class ActionFailed(_Action, tag="action.failed"):
    """The message could not be handed over before it expired."""


class _Trouble(Event, kw_only=True):
    """`device` null: the gateway itself."""

    device: str | None
    trouble: str
    detail: str | None
    since: str


class TroubleBegan(_Trouble, tag="device.trouble"):
    """Something is wrong since then."""


class TroubleEnded(_Trouble, tag="device.recovered"):
    """It is right again."""


class EndedBy(msgspec.Struct, kw_only=True):
    """Whose act ended an alert. The gateway itself ends drills only, and those because of a real press."""

    via: str = "real_press"
    person: str | None = None
    name: str | None = None


class Resolved(Event, tag="alert.resolved", kw_only=True):
    """A drill ended because somebody pressed in earnest."""

    alert_id: str
    by: EndedBy
    reason: str = "drill"

    @property
    def about(self) -> str | None:
        """Its alert."""
        return self.alert_id


class OpenTrouble(msgspec.Struct, frozen=True, kw_only=True):
    """A trouble that stands; `device` null: of the gateway itself."""

    device: str | None
    trouble: str
    since: str


class Status(Event, tag="gateway.status", kw_only=True):
    """`configuration` 0: none was ever applied. `troubles`: all that stand; absent when they are not known."""

    versions: dict[str, str]
    queue_depth: int
    clock_offset_ms: int | None
    configuration: int
    troubles: list[OpenTrouble] | msgspec.UnsetType = msgspec.UNSET
