"""MQTT messages from the gateway inside the building, to buttons and PA endpoints."""

import msgspec

from edge_agent.messages.alert_types import AlertType


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """Confirms `stored`: the press is on the gateway's disk, and the button may stop sending it."""

    v: int = 1
    device: str
    inst: str
    seq: int
    state: str = "stored"

    @property
    def topic(self) -> str:
        """The topic that its button subscribes to."""
        return f"ss/v1/d/{self.device}/ack"


def announcement_topic(room: str) -> str:
    """The topic of the speaker in `room`."""
    return f"ss/v1/pa/{room}/play"


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """An announcement for the speaker in `room`, to be dropped after `expires_at`."""

    v: int = 1
    alert_id: str
    generation: int
    type: AlertType
    drill: bool
    priority: int
    expires_at: str
