"""Fair intake of button messages: one per button in turn, so that a flooding button delays only itself."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

AT_MOST = 200
"""Burst size: messages of one button accepted at once, more than a hand makes or a button's flash stores."""
PER_SECOND = 10.0
"""Refill rate after a burst. Messages above it are counted and dropped unread, without a `stored` confirmation, so that
a button sends a real press again."""
AT_ONCE = 10
"""Messages processed before other work in the event loop gets its turn."""
FORGET_AT = 10_000
"""The number of buttons from which quiet ones are forgotten."""


@dataclass(slots=True)
class _Button:
    """Token bucket and pending messages of one button; `at` is the monotonic time of the last refill."""

    left: float
    at: float
    waiting: deque[bytes] = field(default_factory=deque)

    def may_accept(self, now: float) -> bool:
        """Take a token for a message; False if there is none."""
        self.left = min(float(AT_MOST), self.left + (now - self.at) * PER_SECOND)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True

    def quiet(self, now: float) -> bool:
        """Whether forgetting this button would change nothing."""
        return not self.waiting and self.left + (now - self.at) * PER_SECOND >= AT_MOST


class Intake:
    """`take` handles a message without raising; `on_flood` is called for each dropped message."""

    def __init__(
        self,
        accept: Callable[[str, bytes], None],
        on_flood: Callable[[str], None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._accept, self._on_flood, self._monotonic = accept, on_flood, monotonic
        self._buttons: dict[str, _Button] = {}
        self._turns: deque[str] = deque()

    def put(self, device: str, body: bytes) -> None:
        """Queue a message that arrived."""
        now = self._monotonic()
        button = self._buttons.get(device)
        if button is None:
            if len(self._buttons) >= FORGET_AT:
                self._buttons = {name: one for name, one in self._buttons.items() if not one.quiet(now)}
            button = self._buttons[device] = _Button(float(AT_MOST), now)
        if not button.may_accept(now):
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
            self._accept(device, body)
        if self._turns:
            asyncio.get_running_loop().call_soon(self._drain)
