"""The garbage collector of a process with screens: a full pass waits until nothing is on its way to them."""

import asyncio
import gc
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from apps.alerts.live.hub import Client, hub
from safesignal import collection
from tests.cloud.live.test_in_process import say
from tests.cloud.school import School
from tests.patience import WAIT_SECONDS

pytestmark = pytest.mark.slow

pytestmark = pytest.mark.slow

OBJECTS = 300_000
"""As many as a thousand screens need; Python's own threshold would begin several full passes."""


@dataclass
class Traffic:
    """A hub, as far as the collection looks at it."""

    quiet_seconds: float


@pytest.fixture
def full_passes() -> Iterator[list[None]]:
    """One entry for each full pass that began; afterwards the collector of the test process is as it was."""
    seen: list[None] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start" and info["generation"] == 2:
            seen.append(None)

    thresholds = gc.get_threshold()
    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)
    gc.set_threshold(*thresholds)


async def test_full_pass_waits_until_no_message_is_on_its_way(
    full_passes: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "EVERY_SECONDS", 0)
    monkeypatch.setattr(collection, "QUIET_SECONDS", 0.01)
    traffic = Traffic(quiet_seconds=0)
    monkeypatch.setattr(collection, "hub", lambda: traffic)
    task = asyncio.create_task(collection.collect_in_quiet_moments())
    kept = []
    for _ in range(10):
        await asyncio.sleep(0.02)
        kept.append([[number] for number in range(OBJECTS // 10)])
    assert full_passes == []
    traffic.quiet_seconds = 1
    async with asyncio.timeout(WAIT_SECONDS):
        while not full_passes:
            await asyncio.sleep(0.01)
    task.cancel()


async def test_full_pass_is_not_put_off_for_ever(full_passes: list[None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection, "EVERY_SECONDS", 0)
    monkeypatch.setattr(collection, "LATEST_SECONDS", 0)
    monkeypatch.setattr(collection, "hub", lambda: Traffic(quiet_seconds=0))
    task = asyncio.create_task(collection.collect_in_quiet_moments())
    async with asyncio.timeout(WAIT_SECONDS):
        while not full_passes:
            await asyncio.sleep(0.01)
    task.cancel()


async def test_hub_is_not_quiet_once_a_message_was_handed_on(school: School) -> None:
    hub.cache_clear()
    await hub().join(Client({school.organization: lambda _: False}))
    before = hub().quiet_seconds
    await say(school.organization, 1)
    assert hub().quiet_seconds < before
