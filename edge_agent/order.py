"""Ordering of events: those of one alert leave in the order of their ids, though some wait for their press's action."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from edge_agent.messages.events import Event


@dataclass(slots=True)
class Outgoing:
    """An event to be sent to the cloud. Until `stored` completes it exists in memory only."""

    event: Event
    stored: asyncio.Future[None]


@dataclass(slots=True)
class InOrder:
    """Holds events back while earlier ones of the same alert are pending."""

    _awaited: dict[str, set[str]] = field(default_factory=dict)
    _held: dict[str, list[Outgoing]] = field(default_factory=dict)

    def expect(self, events: Iterable[Event]) -> None:
        """Register events that have their ids and will be passed to `ready`."""
        for event in events:
            if event.about is not None:
                self._awaited.setdefault(event.about, set()).add(event.event_id)

    def ready(self, outgoing: Sequence[Outgoing]) -> list[Outgoing]:
        """Accept these events and return those that may be sent now, in order."""
        free = [out for out in outgoing if out.event.about is None]
        for out in outgoing:
            if out.event.about is not None:
                self._awaited.get(out.event.about, set()).discard(out.event.event_id)
                self._held.setdefault(out.event.about, []).append(out)
        for alert_id in {out.event.about for out in outgoing if out.event.about is not None}:
            free += self._release(alert_id)
        return sorted(free, key=lambda out: out.event.event_id)

    def _release(self, alert_id: str) -> list[Outgoing]:
        awaited, held = self._awaited.get(alert_id), self._held.pop(alert_id)
        if not awaited:
            self._awaited.pop(alert_id, None)
            return held
        first = min(awaited)
        if waiting := [out for out in held if out.event.event_id > first]:
            self._held[alert_id] = waiting
        return [out for out in held if out.event.event_id < first]
