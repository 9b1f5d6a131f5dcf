"""The meaning of a press: the school's rules, with built-in minimums that no configuration can lower."""

from dataclasses import dataclass, field

from edge_agent.messages.alert_types import DEFAULT_PATTERNS, GRAVEST, SEVERITY, AlertType
from edge_agent.messages.cloud import Configuration, Rule, Speaker
from edge_agent.messages.press import ONLY_KEY, Press
from edge_agent.messages.severity import Severity


@dataclass(frozen=True, slots=True)
class Meaning:
    """The alert that a press asks for, and the kinds of trouble detected on the way."""

    type: AlertType
    severity: Severity
    silent: bool
    room: str | None
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Zone:
    """A speaker and the rooms in which it can be heard."""

    room: str
    covers: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Entry:
    room: str | None
    lifecycle: str


@dataclass(frozen=True, slots=True)
class Policy:
    """A configuration indexed for lookups. Without one every device is unknown and every press of the gravest type."""

    version: int = 0
    zones: tuple[Zone, ...] = ()
    _devices: dict[str, _Entry] = field(default_factory=dict)
    _rooms: frozenset[str] = frozenset()
    _rules: dict[str, list[Rule]] = field(default_factory=dict)

    @classmethod
    def of(cls, configuration: Configuration) -> "Policy":
        """Index a configuration."""
        rules: dict[str, list[Rule]] = {}
        for rule in configuration.rules:
            rules.setdefault(rule.pattern, []).append(rule)
        return cls(
            version=configuration.version,
            zones=tuple(_zone(speaker) for speaker in configuration.speakers),
            _devices={entry.device: _Entry(entry.room, entry.lifecycle) for entry in configuration.devices},
            _rooms=frozenset(room.id for room in configuration.rooms),
            _rules=rules,
        )

    def meaning(self, press: Press) -> Meaning:
        """Return the meaning of a press. An unknown device, room or pattern gives the gravest type and a trouble; no
        lifecycle blocks a press."""
        entry = self._devices.get(press.device)
        troubles = self.troubles_of(press.device) if self.version else ()
        if entry is None:
            return Meaning(GRAVEST, SEVERITY[GRAVEST], silent=False, room=None, troubles=troubles)
        if entry.room is None or entry.room not in self._rooms:
            return Meaning(GRAVEST, SEVERITY[GRAVEST], silent=False, room=entry.room, troubles=troubles)
        rule = self._rule(press, entry.room)
        if rule is not None:
            return Meaning(rule.type, _severity(rule), rule.silent, entry.room, troubles)
        kind = DEFAULT_PATTERNS.get(press.pattern or "")
        if kind is None:
            kind, troubles = GRAVEST, (*troubles, "unknown_pattern")
        return Meaning(kind, SEVERITY[kind], silent=False, room=entry.room, troubles=troubles)

    def troubles_of(self, device: str) -> tuple[str, ...]:
        """Return the kinds of trouble with a device's entry, whatever it presses."""
        entry = self._devices.get(device)
        if entry is None:
            return ("unknown_device",)
        troubles = () if entry.lifecycle == "active" else (f"pressed_while_{_lifecycle_name(entry.lifecycle)}",)
        return troubles if entry.room is not None and entry.room in self._rooms else (*troubles, "unknown_room")

    def known(self, pattern: str | None) -> str | None:
        """Return a known pattern; all others are None, so that inventing patterns cannot evade the bounce rule."""
        return pattern if pattern in DEFAULT_PATTERNS or pattern in self._rules else None

    def _rule(self, press: Press, room: str) -> Rule | None:
        for rule in self._rules.get(press.pattern or "", ()):
            if (
                rule.device in (None, press.device)
                and rule.room in (None, room)
                and rule.key in (None, press.key or ONLY_KEY)
            ):
                return rule
        return None


def _severity(rule: Rule) -> Severity:
    """A lockdown is always critical, whatever the rule says."""
    return SEVERITY[rule.type] if rule.type is GRAVEST else rule.severity or SEVERITY[rule.type]


def _lifecycle_name(lifecycle: str) -> str:
    return lifecycle if lifecycle in ("inactive", "maintenance", "decommissioned") else "not_active"


def _zone(speaker: Speaker) -> Zone:
    return Zone(speaker.room, frozenset(speaker.covers))
