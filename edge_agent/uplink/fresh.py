"""What has just happened and is not yet answered: held in memory, sent ahead of everything that waited longer."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from edge_agent.store.store import Row
from edge_agent.uplink.sender import EVENTS_AT_ONCE

FRESH_AT_ONCE = 20
"""What is pressed while such a request is under way waits for its answer, so requests of this lane are small."""
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

    def cloud_is_away(self) -> None:
        """Keep the latest alerts that are held whole; what else is stored waits in the backlog, out of the way of what
        happens when the cloud is back."""
        while len(self._held) > FRESH_AT_ONCE and self._make_room():
            pass
        for held in list(self._held.values()):
            if held.row.alert_id in self.lagging and held.stored.done():
                del self._held[held.row.event_id]
                self.moved += 1

    def settle(self, event_ids: Iterable[str]) -> None:
        """These are answered."""
        for event_id in event_ids:
            self._held.pop(event_id, None)

    def next(self, not_now: Collection[str] = ()) -> list[Row]:
        """What goes into the next request: alerts alone, if there are any, but no event or alert of `not_now`."""
        held = (held.row for held in self._held.values())
        free = (row for row in held if row.event_id not in not_now and row.alert_id not in not_now)
        rows = sorted(free, key=lambda row: row.event_id)
        return latest([row for row in rows if row.alert_id is not None]) or rows[:EVENTS_AT_ONCE]

    @property
    def ids(self) -> frozenset[str]:
        """What is held."""
        return frozenset(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def _make_room(self) -> bool:
        stored = [held.row for held in self._held.values() if held.stored.done()]
        if stored:
            gone = min(stored, key=lambda row: (row.alert_id is not None, row.event_id))
            del self._held[gone.event_id]
            self.moved += 1
            if gone.alert_id is not None:
                self.lagging.add(gone.alert_id)
        return bool(stored)


def latest(rows: Sequence[Row]) -> list[Row]:
    """Of these events, in their order, those of the alerts with the latest news, as many as fit into a small request:
    what has just happened does not wait behind what piled up while the cloud was away. One alert's are all taken."""
    stories: dict[str | None, list[Row]] = {}
    for row in rows:
        stories.setdefault(row.alert_id, []).append(row)
    chosen: list[Row] = []
    for story in sorted(stories.values(), key=lambda story: story[-1].event_id, reverse=True):
        if chosen and len(chosen) + len(story) > FRESH_AT_ONCE:
            break
        chosen += story
    return sorted(chosen, key=lambda row: row.event_id)
