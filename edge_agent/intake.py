"""Messages of the buttons, taken one of each button in turn: a button that floods waits behind itself alone."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

AT_MOST = 200
"""Messages of one button that are taken at once: more than a hand makes, or a button's flash keeps."""
PER_SECOND = 10.0
"""And in each second after that. What is more is let go of unread and counted: no button is told `stored` for it, so
what was a press comes again."""
AT_ONCE = 10
"""Messages taken before whatever else waits in the event loop has its turn."""
FORGET_AT = 10_000
"""So many buttons are remembered before those that are quiet are forgotten."""


@dataclass(slots=True)
class _Button:
    """How many more messages may be taken of a button, as of a moment of the monotonic clock; and which wait."""

    left: float
    at: float
    waiting: deque[bytes] = field(default_factory=deque)

    def may_take(self, now: float) -> bool:
        """Whether one more may be taken now; then it is counted."""
        self.left = min(float(AT_MOST), self.left + (now - self.at) * PER_SECOND)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True

    def quiet(self, now: float) -> bool:
        """Whether forgetting it changes nothing."""
        return not self.waiting and self.left + (now - self.at) * PER_SECOND >= AT_MOST


class Intake:
    """`take` handles a message and raises nothing; `on_flood` hears of each message that was let go of."""

    def __init__(
        self,
        take: Callable[[str, bytes], None],
        on_flood: Callable[[str], None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._take, self._on_flood, self._monotonic = take, on_flood, monotonic
        self._buttons: dict[str, _Button] = {}
        self._turns: deque[str] = deque()

    def put(self, device: str, body: bytes) -> None:
        """A message has arrived."""
        now = self._monotonic()
        button = self._buttons.get(device)
        if button is None:
            if len(self._buttons) >= FORGET_AT:
                self._buttons = {name: one for name, one in self._buttons.items() if not one.quiet(now)}
            button = self._buttons[device] = _Button(float(AT_MOST), now)
        if not button.may_take(now):
            self._on_flood(device)
            return
        if not button.waiting:
            self._turns.append(device)
            if len(self._turns) == 1:
                asyncio.get_running_loop().call_soon(self._drain)
        button.waiting.append(body)

    def _drain(self) -> None:
        for _ in range(AT_ONCE):
            if not self._turns:
                return
            device = self._turns.popleft()
            waiting = self._buttons[device].waiting
            body = waiting.popleft()
            if waiting:
                self._turns.append(device)
            self._take(device, body)
        if self._turns:
            asyncio.get_running_loop().call_soon(self._drain)
