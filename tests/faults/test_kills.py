"""`kill -9` of each process in turn, at random moments, while a thousand buttons are pressed."""

import asyncio
import itertools
import os
import random
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from devstack.press import hand_for
from tests.faults import books
from tests.faults.chain import NIGHTLY, Chain, until
from tests.faults.journeys import PHASES, journeys, kills_by_phase
from tests.faults.staff import listening
from tests.faults.wall import Pressed, Wall, later

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(3600 if NIGHTLY else 600)]

VICTIMS = ("postgres", "valkey", "broker", "web", "relay", "worker", "beat", "edge")
KILLS = 160 if NIGHTLY else 20
PRESSES_PER_KILL = 50
WINDOW_SECONDS = 2.5
BACK_SECONDS = {"postgres": 30.0}
BACK_SECONDS_OF_OTHERS = 5.0
BUSY_MACHINE = 5
"""The bar is for a machine of its own; what fails a test is several times as long."""


@dataclass(frozen=True)
class Kill:
    """What was killed, when, and how long it was away."""

    name: str
    at: datetime
    away_seconds: float


async def test_nothing_told_stored_is_lost_or_doubled(chain: Chain) -> None:
    seed = int(os.environ.get("SAFESIGNAL_SEED") or secrets.randbits(32))
    print(f"\nSAFESIGNAL_SEED={seed}: {KILLS} kills, {KILLS * PRESSES_PER_KILL} presses")
    chance = random.Random(seed)
    hands = [hand_for(name, silent=False) for name in ("assist", "medical", "evacuate", "fire", "hazmat", "secure")]
    work = itertools.product(hands, chance.sample(chain.demo.devices[1:], len(chain.demo.devices) - 1))
    wall, kills, pressing = Wall(chain), list[Kill](), list[asyncio.Task[Pressed]]()
    async with listening(chain.demo) as listener, asyncio.TaskGroup() as group:
        for name in _in_turn(chance):
            for hand, device in itertools.islice(work, PRESSES_PER_KILL):
                delay = chance.uniform(0, WINDOW_SECONDS)
                pressing.append(group.create_task(later(delay, wall.press(device, hand))))
            await asyncio.sleep(chance.uniform(0.2, WINDOW_SECONDS))
            kills.append(await _kill(chain, name))
            print(f"{kills[-1].at:%H:%M:%S.%f} {name:<8} back after {kills[-1].away_seconds:.1f} s", flush=True)
        presses = [await press for press in pressing]
        names = {press.name for press in presses}
        assert [press for press in presses if press.told_at is None] == []
        await books.at_rest(chain, listener, lambda: names <= set(listener.alerts()))

    length = await asyncio.to_thread(books.all_right, chain, presses)
    books.screen_got_all(chain, listener)
    fell = kills_by_phase([kill.at for kill in kills], journeys(chain, listener, presses))
    print(f"{len(presses)} presses told stored, each one alert; feed of {length} events whole; the screen connected")
    print(f"{listener.connections} times and got {len(listener.heard)} messages in order, none twice")
    print("kills that fell into a phase: " + ", ".join(f"{phase} {fell[phase]}" for phase in PHASES))
    for kill in kills:
        bar = BACK_SECONDS.get(kill.name, BACK_SECONDS_OF_OTHERS)
        assert kill.away_seconds < BUSY_MACHINE * bar, kill
    assert min(fell[phase] for phase in PHASES) > 0, fell


def _in_turn(chance: random.Random) -> list[str]:
    """Each process once, then each again, every time in another order."""
    rounds = -(-KILLS // len(VICTIMS))
    return [name for _ in range(rounds) for name in chance.sample(VICTIMS, len(VICTIMS))][:KILLS]


async def _kill(chain: Chain, name: str) -> Kill:
    pid = await asyncio.to_thread(chain.kill, name)
    at = datetime.now(UTC)
    bar = BACK_SECONDS.get(name, BACK_SECONDS_OF_OTHERS)
    away = await until(
        lambda: chain.running(name, but=pid) and chain.answers(name),
        f"{name} back after a kill",
        seconds=2 * BUSY_MACHINE * bar,
    )
    return Kill(name, at, away)
