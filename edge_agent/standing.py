"""The troubles that stand: begun once, ended once, kept over restarts."""

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
"""As many as a message may list; a gateway with more lists none."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A trouble that stood when the gateway stopped."""

    device: str | None
    word: str
    since: datetime


@dataclass(slots=True)
class Troubles:
    """`tell` stores and sends; what is stored with an event of a trouble is how it is known after a restart."""

    state: State
    clock: Callable[[], Instant]
    tell: Callable[[Iterable[Event]], None]

    def began(self, device: str | None, word: str, detail: str | None = None) -> None:
        """It stands from now on, if it did not before."""
        now = self.clock()
        events = troubles.began(self.state, device, word, now, detail)
        if events:
            self.state.troubles[device, word] = troubles.standing(self.state, device, word, now)
            self.tell(events)

    def ended(self, device: str | None, word: str, detail: str | None = None) -> None:
        """It is over, if it stood."""
        self.tell(troubles.ended(self.state, device, word, self.clock(), detail))

    def load(self, kept: Iterable[Kept], *, refused: bool) -> None:
        """What stood at the end of the last run stands on, but for what this start has shown to be over: the disk can
        be read, a flood that goes on begins anew, and whether the cloud refuses events is written on the disk."""
        now = self.clock()
        for one in kept:
            if (one.device, one.word) in self.state.troubles:
                continue
            self.state.troubles[one.device, one.word] = Standing(one.since, now.elapsed)
            if one.word in ("store_failing", "press_flood") or (one.word == "event_refused" and not refused):
                self.ended(one.device, one.word)

    def configured(self) -> None:
        """The configuration is another one: some troubles are over by it."""
        self.tell(troubles.ended_by_configuration(self.state, self.clock()))

    def look(self) -> None:
        """Now and then: end what has long been quiet."""
        self.tell(troubles.ended_by_quiet(self.state, self.clock()))

    def list(self) -> "list[OpenTrouble] | msgspec.UnsetType":
        """All that stand, so that the cloud can end what it has open besides."""
        if len(self.state.troubles) > LISTED_AT_MOST:
            return msgspec.UNSET
        return [
            OpenTrouble(device=device, trouble=word, since=times.text(standing.since))
            for (device, word), standing in self.state.troubles.items()
        ]
