"""Kills of each process in turn with SIGKILL at random moments, while a thousand buttons are pressed."""

import asyncio
import itertools
import os
import random
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from devstack.simulator.gestures import gesture_for
from tests.faults import consistency
from tests.faults.button_bank import ButtonBank, Pressed, later
from tests.faults.chain import NIGHTLY, Chain, Figure, until
from tests.faults.journeys import journeys, kills_by_phase
from tests.faults.staff import Listener, listening
from tests.kit.patience import Promise

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(3600)]

VICTIMS = ("postgres", "valkey", "broker", "web", "relay", "worker", "beat", "edge")
GESTURES = [gesture_for(name, silent=False) for name in ("assist", "medical", "evacuate", "fire")]
KILLS = 60 if NIGHTLY else 20
MOST_KILLS = KILLS + 16
PRESSES_PER_KILL = 50
WINDOW_SECONDS = 2.5
BACK_SECONDS = {"postgres": 30.0}
BACK_SECONDS_OF_OTHERS = 5.0


@dataclass(frozen=True)
class Kill:
    """A killed process, with the time and duration of its absence, and the longest that this may be."""

    name: str
    at: datetime
    away_seconds: float
    promised_seconds: float


async def test_confirmed_presses_are_neither_lost_nor_duplicated(chain: Chain, record_property: Figure) -> None:
    seed = int(os.environ.get("SAFESIGNAL_SEED") or secrets.randbits(32))
    chance, campaign = random.Random(seed), Campaign(chain)
    print(f"\nSAFESIGNAL_SEED={seed}", flush=True)
    async with listening(chain.demo) as listener:
        await campaign.run(_in_turn(chance, KILLS), chance, listener)
        while min(campaign.fell.values()) == 0 and len(campaign.kills) < MOST_KILLS:
            # A phase was missed by chance: run another round.
            await campaign.run(_in_turn(chance, len(VICTIMS)), chance, listener)

    length = await asyncio.to_thread(consistency.check_all, chain, campaign.presses)
    consistency.check_screen_is_complete(chain, listener)
    record_property(
        "figure",
        f"{len(campaign.kills)} kills (SAFESIGNAL_SEED={seed}), {len(campaign.presses)} confirmed presses, each one"
        f" alert; feed of {length} events complete; a screen that connected {listener.connections} times received"
        f" {len(listener.received)} messages in order, none twice",
    )
    record_property("figure", "kills within a phase: " + ", ".join(f"{fell} {n}" for fell, n in campaign.fell.items()))
    worst = {name: max(kill.away_seconds for kill in campaign.kills if kill.name == name) for name in VICTIMS}
    record_property("figure", "back after a kill: " + ", ".join(f"{name} {away:.1f} s" for name, away in worst.items()))
    assert [kill for kill in campaign.kills if kill.away_seconds > kill.promised_seconds] == []
    assert min(campaign.fell.values()) > 0


class Campaign:
    """Kills and presses so far. `fell` counts the kills in each phase of a press."""

    def __init__(self, chain: Chain) -> None:
        self._chain, self._bank = chain, ButtonBank(chain)
        self._work = itertools.product(GESTURES, chain.demo.devices[1:])
        self.kills: list[Kill] = []
        self.presses: list[Pressed] = []
        self.fell: Counter[str] = Counter()

    async def run(self, names: Sequence[str], chance: random.Random, listener: Listener) -> None:
        """Kill each of these processes during presses, and wait until everything has settled."""
        pressing: list[asyncio.Task[Pressed]] = []
        async with asyncio.TaskGroup() as group:
            for name in names:
                for gesture, device in itertools.islice(self._work, PRESSES_PER_KILL):
                    delay = chance.uniform(0, WINDOW_SECONDS)
                    pressing.append(group.create_task(later(delay, self._bank.press(device, gesture))))
                await asyncio.sleep(chance.uniform(0.2, WINDOW_SECONDS))
                self.kills.append(await _kill(self._chain, name))
        self.presses += [press.result() for press in pressing]
        assert [press for press in self.presses if press.confirmed_at is None] == []
        confirmed = {press.name for press in self.presses}
        await consistency.wait_until_settled(self._chain, listener, lambda: confirmed <= set(listener.alerts()))
        known = journeys(self._chain, listener, self.presses)
        self.fell = kills_by_phase([kill.at for kill in self.kills], known)
        for kill in self.kills[-len(names) :]:
            fell = sorted(kills_by_phase([kill.at], known).elements())
            print(f"{kill.at:%H:%M:%S.%f} {kill.name:<8} back after {kill.away_seconds:.1f} s; fell into: {fell}")


def _in_turn(chance: random.Random, kills: int) -> list[str]:
    """Return each process once per round, each round in random order."""
    rounds = -(-kills // len(VICTIMS))
    return [name for _ in range(rounds) for name in chance.sample(VICTIMS, len(VICTIMS))][:kills]


async def _kill(chain: Chain, name: str) -> Kill:
    pid = await asyncio.to_thread(chain.kill, name)
    at = datetime.now(UTC)
    promise = Promise(BACK_SECONDS.get(name, BACK_SECONDS_OF_OTHERS))
    away = await until(lambda: chain.running(name, but=pid) and chain.answers(name), f"{name} back after a kill")
    return Kill(name, at, away, promise.seconds)
