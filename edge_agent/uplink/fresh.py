"""Fresh events: recent and not yet answered, held in memory, sent ahead of the backlog."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from edge_agent.store.backlog import Row
from edge_agent.uplink.sender import EVENTS_AT_ONCE

FRESH_AT_ONCE = 20
"""Maximum events of a request in this lane; small, as new presses wait for its response."""
EACH_AT_ONCE = 5
"""Maximum events of one device in such a request, so that a busy device leaves room for others."""
HELD_AT_MOST = 500
"""Events above this number wait in the store's backlog; unstored ones never leave memory."""
ROOM_AT_ONCE = 100
"""How many events move at a time: finding them costs as much as holding a hundred."""


@dataclass(frozen=True, slots=True)
class _Held:
    row: Row
    stored: asyncio.Future[None]

    @property
    def on_disk(self) -> bool:
        """Whether the write succeeded; after a permanent failure the event exists in memory only."""
        return self.stored.done() and not self.stored.cancelled() and self.stored.exception() is None


@dataclass(slots=True)
class Fresh:
    """Fresh events by alert. `lagging`: alerts with events in the backlog, which are older than the held ones and have
    to be sent first, so that no event overtakes the one that raised the alert."""

    lagging: set[str] = field(default_factory=set)
    moved: int = 0
    """The number of events moved to the backlog since startup."""
    _held: dict[str, _Held] = field(default_factory=dict)
    _turns: dict[str, int] = field(default_factory=dict)
    """The request number in which each device with held events was last chosen."""
    _requests: int = 0
    _room: int = HELD_AT_MOST
    """How many events may be held before some are moved; grows while the disk accepts no writes."""

    def hold(self, row: Row, stored: asyncio.Future[None]) -> None:
        """Add an event; when there are too many, move events of the device with the most."""
        self._held[row.event_id] = _Held(row, stored)
        if len(self._held) > self._room:
            self._make_room(ROOM_AT_ONCE)
            self._room = max(HELD_AT_MOST, len(self._held) + ROOM_AT_ONCE)

    def cloud_is_away(self) -> None:
        """Keep a few events and leave other stored ones to the backlog, so that they do not delay what happens when the
        cloud is back."""
        if len(self._held) > FRESH_AT_ONCE:
            self._make_room(len(self._held) - FRESH_AT_ONCE)
        for alert_id, held in self._by_alert().items():
            if alert_id in self.lagging:
                self._move(_stored_first(held))

    def settle(self, event_ids: Iterable[str]) -> None:
        """Drop answered events."""
        for event_id in event_ids:
            self._held.pop(event_id, None)

    def next(self, not_now: Collection[str] = ()) -> list[Row]:
        """Return the events of the next request: those of alerts if there are any, except events, alerts and devices in
        `not_now`. Devices take turns; among those that waited equally long, the one with the latest event is first."""
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
        """The ids of held events."""
        return frozenset(self._held)

    @property
    def alerts(self) -> frozenset[str]:
        """The alerts with held events."""
        return frozenset(held.row.alert_id for held in self._held.values() if held.row.alert_id is not None)

    def __len__(self) -> int:
        return len(self._held)

    def _by_alert(self) -> dict[str | None, list[_Held]]:
        """Group held events by alert, in order."""
        groups: dict[str | None, list[_Held]] = {}
        for held in sorted(self._held.values(), key=lambda held: held.row.event_id):
            groups.setdefault(held.row.alert_id, []).append(held)
        return groups

    def _make_room(self, count: int) -> bool:
        """Move `count` events to the backlog: those without an alert first, then, one by one, the oldest of the device
        with the most. Return False if none can be moved."""
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
    """Return the leading events that are on the disk: only these may be left to the backlog before the rest."""
    end = next((number for number, one in enumerate(held) if not one.on_disk), len(held))
    return list(held[:end])


def fair_share(rows: Sequence[Row], turns: dict[str, int]) -> list[Row]:
    """Choose as many of these events as fit into a small request, in order: the first few of each device,
    longest-waiting devices first, then those with the latest event, so that recent events do not wait behind a backlog.
    Events of an alert are chosen from its beginning."""
    devices: dict[str, list[Row]] = {}
    for row in rows:
        devices.setdefault(row.device, []).append(row)
    chosen: list[Row] = []
    latest = sorted(devices, key=lambda device: devices[device][-1].event_id, reverse=True)
    for device in sorted(latest, key=lambda device: turns.get(device, 0)):
        chosen += devices[device][: min(EACH_AT_ONCE, FRESH_AT_ONCE - len(chosen))]
    return sorted(chosen, key=lambda row: row.event_id)
