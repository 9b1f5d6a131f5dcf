"""From a press to a screen, through the whole of `./dev up`, while many other screens of the school are connected.

`./dev press` presses simulated buttons at the broker and measures at a screen of its own; all screens are told.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.child import Child
from benchmarks.figures import Bar, Figure, percentile
from benchmarks.live_clients import Report, Screens
from devstack.cloud import Cloud
from devstack.testing import running_stack

SHOWN_P50_BAR: Final = Bar(100, at_most=True)
SHOWN_P99_BAR: Final = Bar(300, at_most=True)


@dataclass(frozen=True)
class Sizes:
    """How many other screens, and how many presses, one after the other."""

    clients: int
    presses: int


def run(sizes: Sizes) -> list[Figure]:
    """The figures. Raises RuntimeError when a press was not shown."""
    with TemporaryDirectory(prefix="safesignal-benchmark-") as folder, running_stack(Path(folder) / "home") as stack:
        demo = stack.demo
        with Cloud(demo.base_url, demo.users["operator"]) as cloud:
            tokens = [cloud.access] * sizes.clients
        address = f"{demo.base_url.replace('http', 'ws', 1)}/ws/alerts"
        clients = Child("live_clients", Screens(address, tokens, sizes.presses), Report)
        clients.wait_until_ready()
        clients.go()
        results = stack.press("--count", str(sizes.presses))
        everyone = clients.report().screens
    stored = [one.stored_ms for one in results if one.stored_ms is not None]
    shown = [one.shown_ms for one in results if one.shown_ms is not None]
    if len(shown) < sizes.presses or any(len(screen) < sizes.presses for screen in everyone):
        raise RuntimeError(f"{len(shown)} of {sizes.presses} presses were shown; see ./dev press.")
    told = [1000 * (one.received_at - one.written_at) for screen in everyone for one in screen]
    crowd = f"{sizes.presses} presses, {sizes.clients:,} other screens connected"
    return [
        Figure(f"{crowd}: press -> stored at the gateway, p50", percentile(stored, 50), "ms"),
        Figure("press -> on a screen, p50", percentile(shown, 50), "ms", SHOWN_P50_BAR),
        Figure("press -> on a screen, p99", percentile(shown, 99), "ms", SHOWN_P99_BAR),
        Figure("just before COMMIT -> on any of the other screens, p99", percentile(told, 99), "ms"),
    ]
