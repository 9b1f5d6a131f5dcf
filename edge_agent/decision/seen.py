"""Known presses: a set rather than a maximum, permanent but bounded in memory."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from edge_agent.messages.press import PressId

RECENT = 20_000
"""How many presses are remembered with their fingerprint; the disk knows all others."""
BUTTONS = 40_000
"""The number of buttons whose greatest press seq is remembered."""

Button = tuple[str, str]


@dataclass(slots=True)
class Seen:
    """A press with a greater seq than all others of its button is new. Any other is new only if neither memory nor the
    disk has it: `uncertain` returns whether the disk must be queried, and `learn` adds the result.

    `complete`: memory has every button on the disk, so an unknown button is new.
    """

    complete: bool = True
    _recent: dict[PressId, str] = field(default_factory=dict)
    _greatest: dict[Button, int] = field(default_factory=dict)

    def get(self, press_id: PressId) -> str | None:
        """Return the fingerprint of a press, if it is in memory."""
        return self._recent.get(press_id)

    def __contains__(self, press_id: object) -> bool:
        return press_id in self._recent

    def __len__(self) -> int:
        return len(self._recent)

    def uncertain(self, press_id: PressId) -> bool:
        """Whether only the disk can answer if this press was accepted before."""
        if press_id in self._recent:
            return False
        greatest = self._greatest.get(press_id[:2])
        return not self.complete if greatest is None else press_id[2] <= greatest

    def add(self, press_id: PressId, fingerprint: str) -> None:
        """Add an accepted press. It does not set the greatest seq of a button that could not be looked up on the
        disk."""
        self._recent[press_id] = fingerprint
        if self.complete or press_id[:2] in self._greatest:
            self._raise(press_id[:2], press_id[2])

    def learn(self, press_id: PressId, fingerprint: str | None, greatest: int | None) -> None:
        """Add the disk's records of this press and its button."""
        if fingerprint is not None:
            self._recent.setdefault(press_id, fingerprint)
        self._raise(press_id[:2], greatest or 0)

    def load(self, greatest: Mapping[Button, int], latest: Mapping[PressId, str], *, complete: bool) -> None:
        """Add the disk's records of all buttons and their latest presses."""
        for press_id, fingerprint in latest.items():
            self._recent.setdefault(press_id, fingerprint)
        for button, seq in greatest.items():
            self._raise(button, seq)
        self.complete = complete
        if complete:
            for device, inst, seq in self._recent:
                self._raise((device, inst), seq)

    def forget(self, needed: Container[PressId]) -> None:
        """Leave old presses to the disk, except those that are `needed` because they are not stored yet."""
        for press_id in list(self._recent)[: max(0, len(self._recent) - RECENT)]:
            if press_id not in needed:
                del self._recent[press_id]
        if len(self._greatest) > BUTTONS:
            self.complete = False
            for button in list(self._greatest)[: len(self._greatest) - BUTTONS]:
                del self._greatest[button]

    def _raise(self, button: Button, seq: int) -> None:
        self._greatest[button] = max(seq, self._greatest.get(button, 0))
