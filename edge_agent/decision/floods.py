"""One button that presses without end: its presses are taken, but told together, and people hear that it does so."""

from dataclasses import dataclass, field, replace

from edge_agent.decision.state import Decision, State

FLOOD_PRESSES = 50
FLOOD_SECONDS = 10.0
"""More presses of one button in this time are a flood: no hand does it, nor a button that sends what its flash kept."""
FLOOD_DETAIL = f"more than {FLOOD_PRESSES} presses in {FLOOD_SECONDS:.0f} s; from now on they are counted together"
CALM_SECONDS = 60.0
"""A flood is over when there was none for so long."""
TOLD_EVERY_SECONDS = 1.0
"""While it lasts, each alert is said to be pressed again at most so often by that button."""
COLLAPSED = "collapsed"
"""The outcome of a press that was only counted."""


@dataclass(slots=True)
class Flood:
    """How often one button pressed of late. Times are of the monotonic clock (`Instant.elapsed`)."""

    since: float
    count: int = 0
    until: float | None = None
    collapsed: int = 0
    told: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Floods:
    """The buttons that pressed of late."""

    _buttons: dict[str, Flood] = field(default_factory=dict)

    def count(self, device: str, elapsed: float) -> bool:
        """One more message of this button has come. Whether a flood begins with it."""
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
        """A message was let go of, since too many wait. Whether a flood begins with it."""
        begins = self.count(device, elapsed)
        self._buttons[device].collapsed += 1
        return begins

    def thin(self, state: State, decision: Decision, elapsed: float) -> Decision:
        """What is left to do of a decision while its button floods: what is new is told, what is more of the same is
        counted, and told once a second."""
        flood = self._buttons.get(decision.press.device)
        if flood is None or flood.until is None or decision.ended:
            return decision
        if decision.outcome == "bounce":
            flood.collapsed += 1
            return decision
        alert_id = None if decision.last is None else decision.last.alert_id
        if alert_id is None or alert_id not in state.alerts:
            return decision
        told = flood.told.get(alert_id)
        if told is None or elapsed - told >= TOLD_EVERY_SECONDS:
            flood.told[alert_id] = elapsed
            return decision
        flood.collapsed += 1
        return replace(
            decision, alert=None, events=(), plays=(), sounding=(), troubles=(), recovered=(), outcome=COLLAPSED
        )

    def over(self, elapsed: float) -> list[tuple[str, int]]:
        """The buttons whose flood is over, with how many presses were only counted. What is long past is forgotten."""
        over = [(device, flood) for device, flood in self._buttons.items() if flood.until and flood.until <= elapsed]
        self._buttons = {
            device: flood
            for device, flood in self._buttons.items()
            if (flood.until or flood.since + FLOOD_SECONDS) > elapsed
        }
        return [(device, flood.collapsed) for device, flood in over]
