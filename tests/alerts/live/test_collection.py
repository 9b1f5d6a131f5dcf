"""Garbage collection in a process with screens: a full collection waits until no message is being delivered."""

import asyncio
import gc
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from apps.alerts.live.hub import Client, hub
from safesignal import collection
from tests.alerts.live.test_in_process import commit_messages
from tests.kit.patience import WAIT_SECONDS
from tests.kit.school import School

pytestmark = pytest.mark.slow

pytestmark = pytest.mark.slow

OBJECTS = 300_000
"""Enough for a thousand screens; with Python's own threshold several full collections would start."""


@dataclass
class Traffic:
    """The part of a hub that the collector uses."""

    quiet_seconds: float


@pytest.fixture
def full_passes() -> Iterator[list[None]]:
    """One entry for each full collection that started; restores the collector of the test process afterwards."""
    seen: list[None] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start" and info["generation"] == 2:
            seen.append(None)

    thresholds = gc.get_threshold()
    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)
    gc.set_threshold(*thresholds)


async def test_full_collection_waits_while_messages_are_being_delivered(
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


async def test_full_collection_is_not_postponed_indefinitely(
    full_passes: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "EVERY_SECONDS", 0)
    monkeypatch.setattr(collection, "LATEST_SECONDS", 0)
    monkeypatch.setattr(collection, "hub", lambda: Traffic(quiet_seconds=0))
    task = asyncio.create_task(collection.collect_in_quiet_moments())
    async with asyncio.timeout(WAIT_SECONDS):
        while not full_passes:
            await asyncio.sleep(0.01)
    task.cancel()


async def test_hub_is_busy_after_a_message_was_delivered(school: School) -> None:
    hub.cache_clear()
    await hub().join(Client({school.organization: lambda _: False}))
    before = hub().quiet_seconds
    await commit_messages(school.organization, 1)
    assert hub().quiet_seconds < before
