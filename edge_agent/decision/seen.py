"""Which presses were taken before: a set, never a maximum, and bounded in memory though it is for ever."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from edge_agent.messages.press import PressId

RECENT = 20_000
"""How many presses are remembered with what they said; of all others the disk knows."""
BUTTONS = 40_000
"""Of how many buttons the greatest press number is remembered."""

Button = tuple[str, str]


@dataclass(slots=True)
class Seen:
    """A press with a greater number than any other of its button is new. Any other is new only when neither memory
    nor the disk has it: `uncertain` says when the disk has to be asked, and `learn` takes its answer.

    `complete`: every button on the disk is known here, so that an unknown one is new.
    """

    complete: bool = True
    _recent: dict[PressId, str] = field(default_factory=dict)
    _greatest: dict[Button, int] = field(default_factory=dict)

    def get(self, press_id: PressId) -> str | None:
        """What a press said, as far as memory knows."""
        return self._recent.get(press_id)

    def __contains__(self, press_id: object) -> bool:
        return press_id in self._recent

    def __len__(self) -> int:
        return len(self._recent)

    def uncertain(self, press_id: PressId) -> bool:
        """Whether only the disk can tell if it was taken before."""
        if press_id in self._recent:
            return False
        greatest = self._greatest.get(press_id[:2])
        return not self.complete if greatest is None else press_id[2] <= greatest

    def add(self, press_id: PressId, fingerprint: str) -> None:
        """It was taken. That says nothing of the greatest press of a button of which the disk could not be asked."""
        self._recent[press_id] = fingerprint
        if self.complete or press_id[:2] in self._greatest:
            self._raise(press_id[:2], press_id[2])

    def learn(self, press_id: PressId, fingerprint: str | None, greatest: int | None) -> None:
        """What the disk knows of this press, and of its button."""
        if fingerprint is not None:
            self._recent.setdefault(press_id, fingerprint)
        self._raise(press_id[:2], greatest or 0)

    def load(self, greatest: Mapping[Button, int], latest: Mapping[PressId, str], *, complete: bool) -> None:
        """What the disk knows of all buttons, and of their latest presses."""
        for press_id, fingerprint in latest.items():
            self._recent.setdefault(press_id, fingerprint)
        for button, seq in greatest.items():
            self._raise(button, seq)
        self.complete = complete
        if complete:
            for device, inst, seq in self._recent:
                self._raise((device, inst), seq)

    def forget(self, needed: Container[PressId]) -> None:
        """Leave what is old to the disk, but for what is `needed`: it is not there yet."""
        for press_id in list(self._recent)[: max(0, len(self._recent) - RECENT)]:
            if press_id not in needed:
                del self._recent[press_id]
        if len(self._greatest) > BUTTONS:
            self.complete = False
            for button in list(self._greatest)[: len(self._greatest) - BUTTONS]:
                del self._greatest[button]

    def _raise(self, button: Button, seq: int) -> None:
        self._greatest[button] = max(seq, self._greatest.get(button, 0))
