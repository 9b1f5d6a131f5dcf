"""Press floods: one button that presses continuously. Its presses are accepted, but reported together."""

from dataclasses import dataclass, field, replace

from edge_agent.decision.state import Decision, State

FLOOD_PRESSES = 50
FLOOD_SECONDS = 10.0
"""More presses of one button within this time are a flood: faster than a hand, or a button that sends its flash
queue."""
FLOOD_DETAIL = f"more than {FLOOD_PRESSES} presses in {FLOOD_SECONDS:.0f} s; further presses are only counted"
CALM_SECONDS = 60.0
"""A flood ends when it has been quiet for this long."""
REPORT_EVERY_SECONDS = 1.0
"""Minimum interval between two `pressed again` reports of one alert and button during a flood."""
COLLAPSED = "collapsed"
"""The outcome of a press that was only counted."""


@dataclass(slots=True)
class Flood:
    """Recent press rate of one button. Times are monotonic (`Instant.elapsed`)."""

    since: float
    count: int = 0
    until: float | None = None
    collapsed: int = 0
    reported: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Floods:
    """The buttons with recent presses."""

    _buttons: dict[str, Flood] = field(default_factory=dict)

    def count(self, device: str, elapsed: float) -> bool:
        """Count a message of this button; True if a flood begins with it."""
        flood = self._buttons.get(device)
        if flood is None:
            flood = self._buttons[device] = Flood(elapsed)
        if elapsed - flood.since >= FLOOD_SECONDS:
            flood.since, flood.count = elapsed, 0
        flood.count += 1
        if flood.count <= FLOOD_PRESSES:
            return False
        begins = flood.until is None
        flood.until = elapsed + CALM_SECONDS
        return begins

    def dropped(self, device: str, elapsed: float) -> bool:
        """Count a message that was dropped because too many wait; True if a flood begins with it."""
        begins = self.count(device, elapsed)
        self._buttons[device].collapsed += 1
        return begins

    def collapse(self, state: State, decision: Decision, elapsed: float) -> Decision:
        """Reduce a decision while its button floods: keep what is new, count repetitions, and report them once a
        second."""
        flood = self._buttons.get(decision.press.device)
        if flood is None or flood.until is None or decision.ended:
            return decision
        if decision.outcome == "bounce":
            flood.collapsed += 1
            return decision
        alert_id = None if decision.last is None else decision.last.alert_id
        if alert_id is None or alert_id not in state.alerts:
            return decision
        reported = flood.reported.get(alert_id)
        if reported is None or elapsed - reported >= REPORT_EVERY_SECONDS:
            flood.reported[alert_id] = elapsed
            return decision
        flood.collapsed += 1
        return replace(
            decision, alert=None, events=(), announcements=(), speakers=(), troubles=(), recovered=(), outcome=COLLAPSED
        )

    def over(self, elapsed: float) -> list[tuple[str, int]]:
        """Return the buttons whose flood has ended with their counts of collapsed presses, and forget idle buttons."""
        over = [(device, flood) for device, flood in self._buttons.items() if flood.until and flood.until <= elapsed]
        self._buttons = {
            device: flood
            for device, flood in self._buttons.items()
            if (flood.until or flood.since + FLOOD_SECONDS) > elapsed
        }
        return [(device, flood.collapsed) for device, flood in over]
