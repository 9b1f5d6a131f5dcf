"""The simulated button with the real broker; the test acts as its gateway."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
import pytest

from contracts.validation import problems
from devstack.machine import pki
from devstack.simulator.simulated import SimulatedButton, end_if_cancelled
from tests.kit.patience import WAIT_SECONDS
from tests.stack import brokers
from tests.stack.school import School

pytestmark = pytest.mark.stack

SOON = WAIT_SECONDS
# Each test has its own button, as the broker retains the last state of each.
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    folder = tmp_path_factory.mktemp("pki")
    pki.make_pki(folder, buttons=10)
    with brokers.amqtt(folder, tmp_path_factory.mktemp("broker")) as port:
        yield School(port, folder)


@dataclass
class Bench:
    """A button under test, with the output of its LED."""

    school: School
    folder: Path
    device: pki.Identity
    led: list[str] = field(default_factory=list)

    def button(self) -> SimulatedButton:
        root = self.school.certificates / "root.pem"
        return SimulatedButton(self.device, self.folder, self.school.port, root, self.led.append)


@pytest.fixture
def bench(school: School, tmp_path: Path) -> Bench:
    return Bench(school, tmp_path, school.button(next(NUMBERS)))


@asynccontextmanager
async def powered(button: SimulatedButton) -> AsyncIterator[SimulatedButton]:
    task = asyncio.create_task(button.run())
    try:
        yield button
    finally:
        task.cancel()
        await asyncio.wait({task})


@asynccontextmanager
async def gateway(bench: Bench, *, answers: bool) -> AsyncIterator[asyncio.Queue[tuple[str, bytes]]]:
    """Receive the button's messages, and confirm presses if `answers`."""
    received: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    async with bench.school.client(bench.school.gateway()) as client:
        await client.subscribe(f"ss/v1/d/{bench.device.name}/#", qos=1)

        async def listen() -> None:
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                received.put_nowait((str(message.topic).rpartition("/")[2], message.payload))
                if answers and message.topic.matches("+/+/+/+/alert"):
                    await stored(client, message.payload)
                    end_if_cancelled()

        task = asyncio.create_task(listen())
        try:
            yield received
        finally:
            task.cancel()
            await asyncio.wait({task})


async def stored(client: aiomqtt.Client, press: bytes) -> None:
    """Publish the confirmation of contracts/ack."""
    core = {key: value for key, value in json.loads(press).items() if key in ("device", "inst", "seq")}
    answer = json.dumps({"v": 1, **core, "state": "stored"}).encode()
    assert problems("ack", answer) == []
    await client.publish(f"ss/v1/d/{core['device']}/ack", answer, qos=1)


async def next_of(received: asyncio.Queue[tuple[str, bytes]], leaf: str) -> bytes:
    async with asyncio.timeout(SOON):
        while True:
            topic, body = await received.get()
            if topic == leaf:
                return body


async def test_messages_match_contract(bench: Bench) -> None:
    async with gateway(bench, answers=True) as received, powered(bench.button()) as button:
        assert await next_of(received, "state") == b"online"
        assert problems("health", await next_of(received, "health")) == []
        for key in (None, 2):
            waiting = button.press("triple", key)
            press = await next_of(received, "alert")
            assert problems("press", press) == []
            assert json.loads(press).get("key") == key
            async with asyncio.timeout(SOON):
                await waiting.stored
    assert [line for line in bench.led if "stored" in line] == ["press 1: stored", "press 2: stored"]


async def test_button_repeats_until_stored_and_shows_delay(bench: Bench) -> None:
    async with powered(bench.button()) as button:
        waiting = button.press("long", None)
        async with gateway(bench, answers=False) as received:
            first, second = json.loads(await next_of(received, "alert")), json.loads(await next_of(received, "alert"))
            assert (first["inst"], first["seq"], first["at"]) == (second["inst"], second["seq"], second["at"])
            assert second["age_ms"] > first["age_ms"]
            async with asyncio.timeout(SOON):
                while not bench.led:
                    await asyncio.sleep(0.05)
            assert bench.led == ["press 1: not sent, use another way"]
            assert not waiting.stored.done()
        async with gateway(bench, answers=True), asyncio.timeout(SOON):
            await waiting.stored


async def test_unsent_press_survives_restart(bench: Bench) -> None:
    """Its age is sent as unknown; the counter continues."""
    before = bench.button()
    pressed = before.press("short", None).press
    async with gateway(bench, answers=True) as received, powered(bench.button()) as after:
        press = json.loads(await next_of(received, "alert"))
        assert (press["seq"], press["age_ms"], press["boot"]) == (pressed.seq, None, pressed.boot)
        assert after.press("short", None).press.seq == pressed.seq + 1


async def test_new_key_pair_is_new_instance(bench: Bench, tmp_path: Path) -> None:
    """A replaced board counts from one again, and its presses are not repeats."""
    first = bench.button()
    first.press("long", None)
    (tmp_path / "new").mkdir()
    pki.make_pki(tmp_path / "new", buttons=1)
    fresh = pki.button_identity(tmp_path / "new", pki.device_ids(tmp_path / "new")[0])
    swapped = pki.Identity(bench.device.name, fresh.certificate, fresh.key)
    second = SimulatedButton(swapped, bench.folder, bench.school.port, fresh.certificate, bench.led.append)
    assert second.inst != first.inst
    assert second.press("long", None).press.seq == 1


async def test_silent_key_shows_nothing(bench: Bench) -> None:
    async with gateway(bench, answers=True), powered(bench.button()) as button:
        waiting = button.press("long", 5)
        async with asyncio.timeout(SOON):
            await waiting.stored
    assert bench.led == []


async def test_button_publishes_online_and_offline(bench: Bench) -> None:
    async with gateway(bench, answers=True) as received:
        async with powered(bench.button()):
            assert await next_of(received, "state") == b"online"
        assert await next_of(received, "state") == b"offline"
