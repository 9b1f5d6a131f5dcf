"""An accepted press, from its decision to the end of its effects."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from edge_agent.decision.state import Decision
from edge_agent.messages.building import Ack
from edge_agent.messages.events import Event


@dataclass(slots=True)
class AcceptedPress:
    """`stored_at` is None if the press was acted on before it was stored."""

    decision: Decision
    events: list[Event]
    ack: Ack
    stored: asyncio.Future[None]
    acted: bool = False
    stored_at: datetime | None = None
    acted_at: datetime | None = None
