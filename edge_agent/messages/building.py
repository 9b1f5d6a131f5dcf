"""What the gateway says inside the building, over MQTT: to a button, and to a PA endpoint."""

import msgspec

from edge_agent.messages.alert_types import AlertType


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """`stored`: the press is on the gateway's disk, the button may stop sending."""

    v: int = 1
    device: str
    inst: str
    seq: int
    state: str = "stored"

    @property
    def topic(self) -> str:
        """Where its button listens."""
        return f"ss/v1/d/{self.device}/ack"


def play_topic(room: str) -> str:
    """Where the speaker in `room` listens."""
    return f"ss/v1/pa/{room}/play"


class Play(msgspec.Struct, frozen=True, kw_only=True):
    """What the speaker in `room` should say now; read after `expires_at` it is dropped."""

    v: int = 1
    alert_id: str
    generation: int
    type: AlertType
    drill: bool
    priority: int
    expires_at: str
