"""What has just happened and is not yet answered: held in memory, sent ahead of everything that waited longer."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from edge_agent.store.backlog import Row
from edge_agent.uplink.sender import EVENTS_AT_ONCE

FRESH_AT_ONCE = 20
"""What is pressed while such a request is under way waits for its answer, so requests of this lane are small."""
EACH_AT_ONCE = 5
"""How many events of one device go into such a request: however much a device says, others have their turn."""
HELD_AT_MOST = 500
"""More than these wait in the store's backlog; what is not stored yet never leaves memory."""
ROOM_AT_ONCE = 100
"""How many move at a time: finding them takes as long as holding a hundred."""
NOBODY = ""
"""Whose events those are that belong to no alert."""


@dataclass(frozen=True, slots=True)
class _Held:
    row: Row
    stored: asyncio.Future[None]

    @property
    def on_disk(self) -> bool:
        """A write that failed for good is done, too, but the event exists in memory only."""
        return self.stored.done() and not self.stored.cancelled() and self.stored.exception() is None


@dataclass(slots=True)
class Fresh:
    """`lagging`: the alerts with events in the backlog. Those have to be sent first, so that no event of an alert
    overtakes its raise: of each alert, what is in the backlog is older than what is held."""

    lagging: set[str] = field(default_factory=set)
    moved: int = 0
    """How many events have gone to the backlog since the start."""
    _held: dict[str, _Held] = field(default_factory=dict)
    _turns: dict[str, int] = field(default_factory=dict)
    """When a device of which something is held was last chosen, in requests."""
    _requests: int = 0
    _room: int = HELD_AT_MOST
    """How many may be held before room is made; more than that while the disk takes nothing."""

    def hold(self, row: Row, stored: asyncio.Future[None]) -> None:
        """Take one more; when there are too many, the device with the most gives way."""
        self._held[row.event_id] = _Held(row, stored)
        if len(self._held) > self._room:
            self._make_room(ROOM_AT_ONCE)
            self._room = max(HELD_AT_MOST, len(self._held) + ROOM_AT_ONCE)

    def cloud_is_away(self) -> None:
        """Keep a few events; what else is stored waits in the backlog, out of the way of what happens when the cloud
        is back."""
        if len(self._held) > FRESH_AT_ONCE:
            self._make_room(len(self._held) - FRESH_AT_ONCE)
        for alert_id, held in self._by_alert().items():
            if alert_id in self.lagging:
                self._move(_stored_first(held))

    def settle(self, event_ids: Iterable[str]) -> None:
        """These are answered."""
        for event_id in event_ids:
            self._held.pop(event_id, None)

    def next(self, not_now: Collection[str] = ()) -> list[Row]:
        """What goes into the next request: events of alerts alone, if there are any, but none of an event, alert or
        device in `not_now`. Devices take turns; of those that wait as long, the one with the latest news is first."""
        rows = sorted((held.row for held in self._held.values()), key=lambda row: row.event_id)
        free = [row for row in rows if not {row.event_id, row.alert_id, row.device} & set(not_now)]
        urgent = [row for row in free if row.alert_id is not None]
        if not urgent:
            return free[:EVENTS_AT_ONCE]
        self._turns = {device: self._turns[device] for device in {row.device for row in rows} & self._turns.keys()}
        chosen = fair_share(urgent, self._turns)
        self._requests += 1
        self._turns |= {row.device: self._requests for row in chosen}
        return chosen

    @property
    def ids(self) -> frozenset[str]:
        """What is held."""
        return frozenset(self._held)

    @property
    def alerts(self) -> frozenset[str]:
        """The alerts of which something is held."""
        return frozenset(held.row.alert_id for held in self._held.values() if held.row.alert_id is not None)

    def __len__(self) -> int:
        return len(self._held)

    def _by_alert(self) -> dict[str | None, list[_Held]]:
        """What is held, alert by alert, in order."""
        found: dict[str | None, list[_Held]] = {}
        for held in sorted(self._held.values(), key=lambda held: held.row.event_id):
            found.setdefault(held.row.alert_id, []).append(held)
        return found

    def _make_room(self, count: int) -> bool:
        """Move so many events to the backlog: those that belong to no alert first, then, one by one, the oldest of
        the device with the most. False when none may go."""
        by_alert = self._by_alert()
        chosen = _stored_first(by_alert.pop(None, []))[:count]
        counts: dict[str, int] = {}
        movable: dict[str, list[_Held]] = {}
        for held in by_alert.values():
            device = held[0].row.device
            counts[device] = counts.get(device, 0) + len(held)
            movable.setdefault(device, []).extend(_stored_first(held))
        turns: list[tuple[int, str, _Held]] = []
        for device, of_device in movable.items():
            of_device.sort(key=lambda held: held.row.event_id)
            turns += [(place - counts[device], held.row.event_id, held) for place, held in enumerate(of_device)]
        turns.sort(key=lambda turn: turn[:2])
        chosen += [held for _, _, held in turns[: count - len(chosen)]]
        return self._move(chosen)

    def _move(self, some: Sequence[_Held]) -> bool:
        for held in some:
            del self._held[held.row.event_id]
            self.moved += 1
            if held.row.alert_id is not None:
                self.lagging.add(held.row.alert_id)
        return bool(some)


def _stored_first(held: Sequence[_Held]) -> list[_Held]:
    """The events at the beginning that are on the disk: only these may go there before the rest."""
    end = next((number for number, one in enumerate(held) if not one.on_disk), len(held))
    return list(held[:end])


def fair_share(rows: Sequence[Row], turns: dict[str, int]) -> list[Row]:
    """Of these events, in their order, as many as fit into a small request: the first few of each device, those first
    that waited longest for a turn, then those with the latest news, so that what has just happened does not wait
    behind what piled up. Of each alert a beginning is taken, in order."""
    devices: dict[str, list[Row]] = {}
    for row in rows:
        devices.setdefault(row.device, []).append(row)
    chosen: list[Row] = []
    latest = sorted(devices, key=lambda device: devices[device][-1].event_id, reverse=True)
    for device in sorted(latest, key=lambda device: turns.get(device, 0)):
        chosen += devices[device][: min(EACH_AT_ONCE, FRESH_AT_ONCE - len(chosen))]
    return sorted(chosen, key=lambda row: row.event_id)
