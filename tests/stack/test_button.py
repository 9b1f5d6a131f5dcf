"""The simulated button, against the real broker; the test is its gateway."""

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
from devstack import pki
from devstack.simulated import SimulatedButton, end_if_cancelled
from tests.patience import WAIT_SECONDS
from tests.stack import brokers
from tests.stack.school import School

pytestmark = pytest.mark.stack

SOON = WAIT_SECONDS
# Each test has a button of its own: the broker remembers the last state of each.
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    folder = tmp_path_factory.mktemp("pki")
    pki.make_pki(folder, buttons=10)
    with brokers.amqtt(folder, tmp_path_factory.mktemp("broker")) as port:
        yield School(port, folder)


@dataclass
class Bench:
    """One button on the bench, with what its LED showed."""

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
    """Hears the button, and says `stored` if it is in the mood."""
    heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    async with bench.school.client(bench.school.gateway()) as client:
        await client.subscribe(f"ss/v1/d/{bench.device.name}/#", qos=1)

        async def listen() -> None:
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                heard.put_nowait((str(message.topic).rpartition("/")[2], message.payload))
                if answers and message.topic.matches("+/+/+/+/alert"):
                    await stored(client, message.payload)
                    end_if_cancelled()

        task = asyncio.create_task(listen())
        try:
            yield heard
        finally:
            task.cancel()
            await asyncio.wait({task})


async def stored(client: aiomqtt.Client, press: bytes) -> None:
    """The answer of contracts/ack."""
    core = {key: value for key, value in json.loads(press).items() if key in ("device", "inst", "seq")}
    answer = json.dumps({"v": 1, **core, "state": "stored"}).encode()
    assert problems("ack", answer) == []
    await client.publish(f"ss/v1/d/{core['device']}/ack", answer, qos=1)


async def next_of(heard: asyncio.Queue[tuple[str, bytes]], leaf: str) -> bytes:
    async with asyncio.timeout(SOON):
        while True:
            topic, body = await heard.get()
            if topic == leaf:
                return body


async def test_what_it_says_is_as_agreed(bench: Bench) -> None:
    async with gateway(bench, answers=True) as heard, powered(bench.button()) as button:
        assert await next_of(heard, "state") == b"online"
        assert problems("health", await next_of(heard, "health")) == []
        for key in (None, 2):
            waiting = button.press("triple", key)
            press = await next_of(heard, "alert")
            assert problems("press", press) == []
            assert json.loads(press).get("key") == key
            async with asyncio.timeout(SOON):
                await waiting.stored
    assert [line for line in bench.led if "stored" in line] == ["press 1: stored", "press 2: stored"]


async def test_it_repeats_until_it_is_stored_and_says_when_that_takes_long(bench: Bench) -> None:
    async with powered(bench.button()) as button:
        waiting = button.press("long", None)
        async with gateway(bench, answers=False) as heard:
            first, second = json.loads(await next_of(heard, "alert")), json.loads(await next_of(heard, "alert"))
            assert (first["inst"], first["seq"], first["at"]) == (second["inst"], second["seq"], second["at"])
            assert second["age_ms"] > first["age_ms"]
            async with asyncio.timeout(SOON):
                while not bench.led:
                    await asyncio.sleep(0.05)
            assert bench.led == ["press 1: not sent, use another way"]
            assert not waiting.stored.done()
        async with gateway(bench, answers=True), asyncio.timeout(SOON):
            await waiting.stored


async def test_an_unsent_press_survives_a_restart(bench: Bench) -> None:
    """And tells that its age is unknown; the counter goes on."""
    before = bench.button()
    pressed = before.press("short", None).press
    async with gateway(bench, answers=True) as heard, powered(bench.button()) as after:
        press = json.loads(await next_of(heard, "alert"))
        assert (press["seq"], press["age_ms"], press["boot"]) == (pressed.seq, None, pressed.boot)
        assert after.press("short", None).press.seq == pressed.seq + 1


async def test_a_new_key_pair_is_another_instance(bench: Bench, tmp_path: Path) -> None:
    """A swapped board counts from one again, and its presses are nobody's repeats."""
    first = bench.button()
    first.press("long", None)
    (tmp_path / "new").mkdir()
    pki.make_pki(tmp_path / "new", buttons=1)
    fresh = pki.button_identity(tmp_path / "new", pki.device_ids(tmp_path / "new")[0])
    swapped = pki.Identity(bench.device.name, fresh.certificate, fresh.key)
    second = SimulatedButton(swapped, bench.folder, bench.school.port, fresh.certificate, bench.led.append)
    assert second.inst != first.inst
    assert second.press("long", None).press.seq == 1


async def test_a_silent_key_shows_nothing(bench: Bench) -> None:
    async with gateway(bench, answers=True), powered(bench.button()) as button:
        waiting = button.press("long", 5)
        async with asyncio.timeout(SOON):
            await waiting.stored
    assert bench.led == []


async def test_it_says_when_it_comes_and_goes(bench: Bench) -> None:
    async with gateway(bench, answers=True) as heard:
        async with powered(bench.button()):
            assert await next_of(heard, "state") == b"online"
        assert await next_of(heard, "state") == b"offline"
