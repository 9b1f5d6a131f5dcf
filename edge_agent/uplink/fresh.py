"""What has just happened and is not yet answered: held in memory, sent ahead of everything that waited longer."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from edge_agent.store.store import Row
from edge_agent.uplink.sender import EVENTS_AT_ONCE

HELD_AT_MOST = 500
"""More than these wait in the store's backlog, the oldest first; what is not stored yet never leaves memory."""


@dataclass(frozen=True, slots=True)
class _Held:
    row: Row
    stored: asyncio.Future[None]


@dataclass(slots=True)
class Fresh:
    """`lagging`: the alerts with events in the backlog. Their story has to be told first, so that no event of an
    alert overtakes its raise."""

    lagging: set[str] = field(default_factory=set)
    moved: int = 0
    """How many events have gone to the backlog since the start."""
    _held: dict[str, _Held] = field(default_factory=dict)

    def hold(self, row: Row, stored: asyncio.Future[None]) -> None:
        """Take one more; the oldest that is safely stored gives way to it, alerts last."""
        self._held[row.event_id] = _Held(row, stored)
        if len(self._held) > HELD_AT_MOST:
            self._make_room()

    def settle(self, event_ids: Iterable[str]) -> None:
        """These are answered."""
        for event_id in event_ids:
            self._held.pop(event_id, None)

    def next(self) -> list[Row]:
        """What goes into the next request: alerts alone, if there are any."""
        rows = [held.row for held in self._held.values()]
        urgent = [row for row in rows if row.alert_id is not None]
        return sorted(urgent or rows, key=lambda row: row.event_id)[:EVENTS_AT_ONCE]

    @property
    def ids(self) -> frozenset[str]:
        """What is held."""
        return frozenset(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def _make_room(self) -> None:
        stored = [held.row for held in self._held.values() if held.stored.done()]
        if stored:
            gone = min(stored, key=lambda row: (row.alert_id is not None, row.event_id))
            del self._held[gone.event_id]
            self.moved += 1
            if gone.alert_id is not None:
                self.lagging.add(gone.alert_id)
