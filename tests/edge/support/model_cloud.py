"""A model of the cloud's alert rules: the alerts it derives from gateway events and the documents it sends."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from edge_agent.messages.cloud import AlertDocument
from edge_agent.messages.events import Event, PressedAgain, PressEvent, Resolved
from tests.edge.support.school import document


@dataclass
class CloudAlert:
    """`presses` are the ids of the presses that raised or joined it."""

    alert_id: str
    device: str
    room: str | None
    type: str
    silent: bool
    drill: bool
    raised_at: datetime
    closed_at: datetime | None = None
    presses: list[str] = field(default_factory=list)

    def document(self) -> AlertDocument:
        """Return the alert document of the downlink."""
        return document(
            self.alert_id,
            alert_type=self.type,
            is_silent=self.silent,
            is_drill=self.drill,
            place=None if self.room is None else {"room": {"id": self.room}},
            status="new" if self.closed_at is None else "resolved",
            triggered_at=self.raised_at.isoformat(),
            last_pressed_at=self.raised_at.isoformat(),
            resolved_at=None if self.closed_at is None else self.closed_at.isoformat(),
        )


class ModelCloud:
    """Safety rules 36 and 37 for late presses: in doubt a new alert; silent and audible alerts never merge."""

    def __init__(self) -> None:
        self.alerts: dict[str, CloudAlert] = {}

    @property
    def open(self) -> list[CloudAlert]:
        return [alert for alert in self.alerts.values() if alert.closed_at is None]

    def alert_of(self, press_id: str) -> CloudAlert | None:
        return next((alert for alert in self.alerts.values() if press_id in alert.presses), None)

    def accept(self, events: Iterable[Event], received_at: datetime) -> list[CloudAlert]:
        """Apply events and return the changed alerts."""
        changed: list[CloudAlert] = []
        for event in events:
            if isinstance(event, PressEvent):
                changed.append(self._press(event, received_at))
            elif isinstance(event, Resolved):
                drill = self.alerts[event.alert_id]
                assert drill.drill, "a real press only ends drills"
                drill.closed_at = drill.closed_at or received_at
                changed.append(drill)
        return changed

    def _press(self, event: PressEvent, received_at: datetime) -> CloudAlert:
        press_id = f"{event.device}:{event.inst}:{event.seq}"
        joined = self.alerts.get(event.alert_id) if isinstance(event, PressedAgain) else None
        if joined is not None and not self._certainly_open(joined, event):
            joined = next((alert for alert in self.open if self._alike(alert, event)), None)
        if joined is None:
            joined = self.alerts[press_id] = CloudAlert(
                press_id, event.device, event.room, str(event.type), event.silent, event.drill, received_at
            )
        joined.presses.append(press_id)
        return joined

    @staticmethod
    def _certainly_open(alert: CloudAlert, event: PressEvent) -> bool:
        if (alert.silent, alert.drill) != (event.silent, event.drill):
            return False
        if alert.closed_at is None:
            return True
        latest = event.hops.latest_at
        return latest is not None and datetime.fromisoformat(latest) <= alert.closed_at

    @staticmethod
    def _alike(alert: CloudAlert, event: PressEvent) -> bool:
        facts = (alert.device, alert.type, alert.silent, alert.drill)
        return facts == (event.device, str(event.type), event.silent, event.drill)
