"""Outages of database, Valkey, broker or web during a stream of presses: everything catches up by itself."""

import asyncio
import itertools
import os
import random
import secrets
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from devstack.simulator.button import Gesture
from devstack.simulator.gestures import gesture_for
from tests.faults import consistency
from tests.faults.button_bank import ButtonBank, Pressed, later
from tests.faults.chain import NIGHTLY, Chain, Figure
from tests.faults.staff import listening
from tests.kit.patience import Promise

pytestmark = [pytest.mark.stack, pytest.mark.slow]

AWAY_SECONDS = 60.0 if NIGHTLY else 8.0
BEFORE_SECONDS = 2.0
AFTER_SECONDS = 3.0
PRESSES_PER_SECOND = 10
Work = Iterator[tuple[Gesture, str]]
CONFIRMATION_SECONDS = 5.0
"""Maximum time until a `stored` confirmation, with or without a cloud; later a button shows "not sent, use another
way"."""

# Clients of a killed process are refused; clients of a frozen one wait for a response that never comes.
CASES = {
    "killed": ["postgres", "valkey", "broker", "web"] if NIGHTLY else ["postgres", "broker"],
    "frozen": ["postgres", "valkey", "broker", "web"] if NIGHTLY else ["valkey", "web"],
}
GESTURES = [gesture_for(name, silent=False) for name in ("hold", "shelter", "weather", "secure", "hazmat")]


@pytest.fixture(scope="module")
def work(chain: Chain) -> Work:
    """Buttons and keys without an open alert."""
    return itertools.product(GESTURES, chain.demo.devices[1:])


@pytest.mark.parametrize(("how", "name"), [(how, name) for how, names in CASES.items() for name in names])
async def test_presses_are_neither_lost_nor_duplicated_during_outage(
    chain: Chain, work: Work, how: str, name: str, record_property: Figure
) -> None:
    seed = int(os.environ.get("SAFESIGNAL_SEED") or secrets.randbits(32))
    chance, bank = random.Random(seed), ButtonBank(chain)
    seconds = BEFORE_SECONDS + AWAY_SECONDS + AFTER_SECONDS
    promise = Promise(CONFIRMATION_SECONDS)
    async with listening(chain.demo) as listener, asyncio.TaskGroup() as group:
        stream = [
            group.create_task(later(chance.uniform(0, seconds), bank.press(device, gesture)))
            for gesture, device in itertools.islice(work, int(seconds * PRESSES_PER_SECOND))
        ]
        await asyncio.sleep(BEFORE_SECONDS)
        gone = datetime.now(UTC)
        async with chain.away(name, frozen=how == "frozen"):
            await asyncio.sleep(AWAY_SECONDS)
        back, began = datetime.now(UTC), time.monotonic()
        presses = [await press for press in stream]
        names = {press.name for press in presses}
        assert [press for press in presses if press.confirmed_at is None] == []
        await consistency.wait_until_settled(chain, listener, lambda: names <= set(listener.alerts()))
        caught_up = time.monotonic() - began

    await asyncio.to_thread(consistency.check_all, chain, presses)
    consistency.check_screen_is_complete(chain, listener)
    meanwhile = [press for press in presses if gone <= press.at <= back]
    delays = sorted(map(_confirmation_seconds, meanwhile))
    usual = statistics.median(delays)
    record_property(
        "figure",
        f"{name} {how} for {AWAY_SECONDS:.0f} s (SAFESIGNAL_SEED={seed}): {len(presses)} presses, {len(meanwhile)} of"
        f" them during the outage, confirmed after p50 {usual * 1000:.0f} ms, at most {delays[-1] * 1000:.0f} ms; all"
        f" on the screen {caught_up:.1f} s after its return",
    )
    if name != "broker":
        assert usual < promise.seconds


def _confirmation_seconds(press: Pressed) -> float:
    assert press.confirmed_at is not None
    return (press.confirmed_at - press.at).total_seconds()
