"""Ongoing troubles: begun once, ended once, kept across restarts."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from edge_agent import times
from edge_agent.decision import troubles
from edge_agent.decision.state import Standing, State
from edge_agent.messages.events import Event, OpenTrouble
from edge_agent.times import Instant

LISTED_AT_MOST = 1000
"""Maximum number of troubles in a status; a gateway with more lists none."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A trouble that was ongoing when the gateway stopped."""

    device: str | None
    kind: str
    since: datetime


@dataclass(slots=True)
class Troubles:
    """`publish` stores and sends events; the stored events restore the troubles after a restart."""

    state: State
    clock: Callable[[], Instant]
    publish: Callable[[Iterable[Event]], None]

    def began(self, device: str | None, kind: str, detail: str | None = None) -> None:
        """Begin a trouble unless it is ongoing."""
        now = self.clock()
        events = troubles.began(self.state, device, kind, now, detail)
        if events:
            self.state.troubles[device, kind] = troubles.standing(self.state, device, kind, now)
            self.publish(events)

    def ended(self, device: str | None, kind: str, detail: str | None = None) -> None:
        """End a trouble if it is ongoing."""
        self.publish(troubles.ended(self.state, device, kind, self.clock(), detail))

    def load(self, kept: Iterable[Kept], *, refused: bool) -> None:
        """Restore troubles, except those that this startup disproves: the disk is readable, an ongoing flood is
        detected again, and whether the cloud refuses events is stored on disk."""
        now = self.clock()
        for one in kept:
            if (one.device, one.kind) in self.state.troubles:
                continue
            self.state.troubles[one.device, one.kind] = Standing(one.since, now.elapsed)
            if one.kind in ("store_failing", "press_flood") or (one.kind == "event_refused" and not refused):
                self.ended(one.device, one.kind)

    def configured(self) -> None:
        """End the troubles that a new configuration corrects."""
        self.publish(troubles.ended_by_configuration(self.state, self.clock()))

    def end_quiet(self) -> None:
        """End troubles that have been quiet for long; runs periodically."""
        self.publish(troubles.ended_by_quiet(self.state, self.clock()))

    def list(self) -> "list[OpenTrouble] | msgspec.UnsetType":
        """List all ongoing troubles, so that the cloud can end any others it has open."""
        if len(self.state.troubles) > LISTED_AT_MOST:
            return msgspec.UNSET
        return [
            OpenTrouble(device=device, trouble=kind, since=times.text(standing.since))
            for (device, kind), standing in self.state.troubles.items()
        ]
