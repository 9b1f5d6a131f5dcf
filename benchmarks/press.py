"""Latency from a press to a screen, through the whole of `./dev up`, with many other screens of the school connected.

`./dev press` presses simulated buttons at the broker and measures at its own screen; all screens are notified.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.child import Child
from benchmarks.figures import Bar, Figure, percentile
from benchmarks.live_clients import Report, Screens
from devstack.press.cloud import Cloud
from devstack.testing.stack import running_stack

SCREEN_P50_BAR: Final = Bar(100, at_most=True)
SCREEN_P99_BAR: Final = Bar(300, at_most=True)


@dataclass(frozen=True)
class Sizes:
    """The number of other screens, and of presses, one after another."""

    clients: int
    presses: int


def run(sizes: Sizes) -> list[Figure]:
    """Return the figures; raise RuntimeError if a press did not reach a screen."""
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
    arrived = [one.shown_ms for one in results if one.shown_ms is not None]
    if len(arrived) < sizes.presses or any(len(screen) < sizes.presses for screen in everyone):
        raise RuntimeError(f"{len(arrived)} of {sizes.presses} presses reached the screen; see ./dev press.")
    delivered = [1000 * (one.received_at - one.written_at) for screen in everyone for one in screen]
    crowd = f"{sizes.presses} presses, {sizes.clients:,} other screens connected"
    return [
        Figure(f"{crowd}: press -> stored at the gateway, p50", percentile(stored, 50), "ms"),
        Figure("press -> on a screen, p50", percentile(arrived, 50), "ms", SCREEN_P50_BAR),
        Figure("press -> on a screen, p99", percentile(arrived, 99), "ms", SCREEN_P99_BAR),
        Figure("just before COMMIT -> on any of the other screens, p99", percentile(delivered, 99), "ms"),
    ]
