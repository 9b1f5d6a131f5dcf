"""From the store to the cloud: nothing dropped unanswered, what is fresh goes first, a bad event costs no other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import msgspec
import pytest

from edge_agent import gateway
from edge_agent.backoff import Backoff
from edge_agent.gateway import Gateway
from edge_agent.messages.events import TroubleBegan
from edge_agent.settings import Settings
from edge_agent.store.store import Store
from edge_agent.uplink.credentials import Credentials, CredentialsRefusedError
from edge_agent.uplink.uplink import Uplink
from tests.edge.support.cloud import Cloud, Json
from tests.edge.support.rig import Building, until
from tests.edge.support.school import DEVICES, policy
from tests.patience import Promise

LIVE_SECONDS = 0.4
SLOW_SECONDS = 3.0


@dataclass
class Line:
    """A gateway with a real store and a real way to the cloud."""

    gateway: Gateway
    store: Store
    uplink: Uplink
    building: Building
    credentials: Credentials
    sending: asyncio.Task[None]

    def press(self, seq: int, device: str = DEVICES[0]) -> None:
        body = {"v": 1, "device": device, "inst": "a1b2c3d4", "seq": seq, "boot": 1, "uptime_ms": 1000 * seq}
        body |= {"age_ms": 0, "pattern": "long"}
        self.gateway.receive(device, msgspec.json.encode(body))

    async def settled(self, cloud: Cloud) -> None:
        """The cloud has everything."""
        await until(lambda: cloud.events)
        while len(self.uplink._fresh) or await self.store.depth():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def line(settings: Settings, http: httpx.AsyncClient, *, sends: bool = True) -> AsyncIterator[Line]:
    opened = asyncio.Event()
    store = Store(settings.state_dir, on_open=opened.set, on_health=lambda _: None)
    credentials = Credentials(settings, http)
    uplink = Uplink(http, credentials, store)
    building = Building()
    async with asyncio.TaskGroup() as tasks:
        gateway = Gateway(disk=store, building=building, cloud=uplink, tasks=tasks)
        gateway.state.policy = policy()
        store.start()
        await opened.wait()
        kept = await store.load()
        gateway.load(kept)
        uplink.load(kept)
        sending = tasks.create_task(uplink.run(gateway) if sends else asyncio.sleep(0))
        yield Line(gateway, store, uplink, building, credentials, sending)
        await gateway.finish(1)
        sending.cancel()
    await store.close(1)


def raised(cloud: Cloud) -> list[object]:
    return [event["device"] for event in cloud.of_kind("alert.raised")]


async def test_a_press_reaches_the_cloud_with_its_hops(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "DEADLINE_SECONDS", 30)  # a busy disk is not what this is about
    async with line(gateway_settings, http) as one:
        one.press(1)
        await until(lambda: cloud.of_kind("alert.raised"))
        hops = msgspec.convert(cloud.of_kind("alert.raised")[0]["hops"], dict[str, str | None])
        passed = [str(hops[name]) for name in ("pressed_at", "arrived_at", "stored_at", "acted_at")]
        assert passed == sorted(passed) and "None" not in passed
        await one.settled(cloud)
        assert one.gateway.state.alerts[f"{DEVICES[0]}:a1b2c3d4:1"].stage == "forwarded"


@pytest.mark.slow
async def test_nothing_is_lost_or_doubled_while_the_cloud_is_away(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    """Away, back, and away again in the middle of a stream of presses; and the gateway starts anew."""
    async with line(gateway_settings, http) as one:
        for number in range(300):
            if number == 50:
                await cloud.stop()
            if number == 200:
                await cloud.start()
            one.press(1, f"ss-{number:08x}")
            await asyncio.sleep(0.002)
        await until(lambda: len(raised(cloud)) > 250)
        await cloud.stop()
        for number in range(300, 350):
            one.press(1, f"ss-{number:08x}")
        await until(lambda: len(one.building.acks) == 350)
    await cloud.start()
    async with line(gateway_settings, http) as again:
        await until(lambda: len(raised(cloud)) == 350)
        await again.settled(cloud)
    assert len(set(map(str, raised(cloud)))) == 350


@pytest.mark.slow
async def test_a_fresh_press_does_not_wait_behind_a_backlog(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    """5,000 alerts of yesterday drain, three seconds a request: what is pressed now is there at once."""
    async with line(gateway_settings, http, sends=False) as yesterday:
        for number in range(5000):
            yesterday.press(1, f"ss-{number:08x}")
            if number % 200 == 0:
                await asyncio.sleep(0.01)
        await until(lambda: len(yesterday.building.acks) == 5000)

    def slow(events: list[Json]) -> None:
        if len(events) > 100:
            cloud.pause.wait(SLOW_SECONDS)

    def there(device: str) -> bool:
        return device in raised(cloud)

    cloud.misbehave = slow
    async with line(gateway_settings, http) as today:
        await until(lambda: cloud.requests)
        for seq in range(1, 6):
            promise = Promise(LIVE_SECONDS)
            today.press(seq, f"ss-fffff{seq}")
            await until(partial(there, f"ss-fffff{seq}"))
            assert promise.was_kept()
        assert len(cloud.events) < 4000, "the backlog was still draining"
        cloud.pause.set()
        await until(lambda: len(cloud.of_kind("alert.raised")) == 5005, 60)


@pytest.mark.slow
async def test_uplink_sends_event_again_until_cloud_keeps_it_while_other_alerts_pass(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    """The cloud answers `retry` for one alert: it is not dropped, comes in order, and costs the others nothing."""
    stuck = f"{DEVICES[0]}:a1b2c3d4:1"
    cloud.locked.add(stuck)
    async with line(gateway_settings, http) as one:
        one.press(1)
        for number in range(5):
            one.press(1, f"ss-{number:08x}")
        await until(lambda: len(raised(cloud)) == 5)
        assert one.gateway.state.alerts[stuck].stage != "forwarded"
        asked = len(cloud.requests)
        await until(lambda: len(cloud.requests) >= asked + 2)
        assert DEVICES[0] not in raised(cloud) and await one.store.depth() > 0
        cloud.locked.clear()
        await one.settled(cloud)
        assert DEVICES[0] in raised(cloud) and one.gateway.state.alerts[stuck].stage == "forwarded"


@pytest.mark.slow
async def test_an_alert_is_never_overtaken_by_its_later_events(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    """Its raise waits in the backlog, it is pressed again now: whichever request comes first, the raise leads."""
    async with line(gateway_settings, http, sends=False) as yesterday:
        for number in range(1500):
            yesterday.press(1, f"ss-{number:08x}")
        await until(lambda: len(yesterday.building.acks) == 1500)
    async with line(gateway_settings, http) as today:
        for number in range(1400, 1500):
            today.press(2, f"ss-{number:08x}")
        await until(lambda: len(cloud.of_kind("alert.pressed_again")) == 100)
        await today.settled(cloud)
    order = [(event["alert_id"], event["kind"]) for event in cloud.events if "alert_id" in event]
    for number in range(1400, 1500):
        alert_id = f"ss-{number:08x}:a1b2c3d4:1"
        assert order.index((alert_id, "alert.raised")) < order.index((alert_id, "alert.pressed_again"))


@pytest.mark.slow
@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_poison_event_blocks_nobody(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud, status: int
) -> None:
    """The cloud refuses any request with it in: it is found, put aside, and told of; the others go."""
    cloud.misbehave = lambda events: status if any(event.get("device") == "ss-00000030" for event in events) else None
    async with line(gateway_settings, http) as one:
        for number in range(100):
            one.press(1, f"ss-{number:08x}")
        await until(lambda: len(raised(cloud)) == 99)
        await until(lambda: any(event["trouble"] == "event_refused" for event in cloud.of_kind("device.trouble")))
        await until(lambda: len(cloud.events) > 99)
        assert "ss-00000030" not in raised(cloud)
        assert await one.store.depth() >= 1, "it is kept, to be tried again"


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
async def test_an_answer_that_is_not_about_an_event_drops_none(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud, status: int
) -> None:
    asked = []

    def refuse(events: list[Json]) -> int:
        asked.append(len(events))
        return status

    cloud.misbehave = refuse
    async with line(gateway_settings, http) as one:
        one.press(1)
        await until(lambda: len(asked) >= 1)
        assert await one.store.depth() >= 1
        cloud.misbehave = lambda _: None
        one.press(1, DEVICES[1])
        await until(lambda: len(raised(cloud)) == 2)


async def test_a_quarantined_event_is_answered_and_gone(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    async with line(gateway_settings, http) as one:
        bad = TroubleBegan(at="not a time", device=None, trouble="x", detail=None, since="never")
        one.gateway.tell([bad])
        one.press(1)
        await one.settled(cloud)
        assert raised(cloud) == [DEVICES[0]] and not cloud.of_kind("device.trouble")


async def test_an_ended_token_is_renewed(gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud) -> None:
    async with line(gateway_settings, http) as one:
        one.press(1)
        await until(lambda: len(raised(cloud)) == 1)
        cloud.tokens.clear()
        one.press(1, DEVICES[1])
        await until(lambda: len(raised(cloud)) == 2)
        assert cloud.asked_tokens == 2


async def test_a_key_that_the_cloud_does_not_know_is_said_so(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    cloud.gateway_id = "another"
    with pytest.raises(CredentialsRefusedError):
        await Credentials(gateway_settings, http).token()


async def test_a_restored_cloud_is_told_again(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    """Restored from yesterday: the watermark went back, and what it lost is sent again."""
    async with line(gateway_settings, http) as one:
        for number in range(30):
            one.press(1, f"ss-{number:08x}")
        await until(lambda: len(raised(cloud)) == 30)
        await one.settled(cloud)
        everything = {str(event["event_id"]) for event in cloud.events}
        cloud.forget(set(sorted(everything)[10:]))
        one.uplink.cloud_came_back()
        await until(lambda: {str(event["event_id"]) for event in cloud.events} >= everything)
    assert len(raised(cloud)) == 30


async def test_a_restored_cloud_is_noticed_after_a_break(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    """A fresh event hides in the watermark that older ones are gone: the gateway asks for its latest one again."""
    async with line(gateway_settings, http) as one:
        one.press(1)
        await one.settled(cloud)
        await until(lambda: raised(cloud))
        await cloud.stop()
        one.press(1, DEVICES[1])
        cloud.forget({str(event["event_id"]) for event in cloud.events})
        await asyncio.sleep(0.3)
        await cloud.start()
        await until(lambda: set(raised(cloud)) == {DEVICES[0], DEVICES[1]})


async def test_a_restored_gateway_begins_a_new_epoch(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud, tmp_path: Path
) -> None:
    """Its store is yesterday's: what the cloud has of today is more than this store ever said."""
    async with line(gateway_settings, http) as one:
        one.press(1)
        await one.settled(cloud)
        epoch = one.uplink.epoch
    backup = {path.name: path.read_bytes() for path in gateway_settings.state_dir.iterdir()}
    async with line(gateway_settings, http) as one:
        one.press(1, DEVICES[1])
        await until(lambda: len(raised(cloud)) == 2)
    for path in gateway_settings.state_dir.iterdir():
        path.unlink()
    for name, content in backup.items():
        (gateway_settings.state_dir / name).write_bytes(content)
    async with line(gateway_settings, http) as restored:
        await until(lambda: restored.uplink.epoch != epoch)
        restored.press(1, DEVICES[2])
        await until(lambda: len(raised(cloud)) == 3)
        new = restored.uplink.epoch
    async with line(gateway_settings, http) as after:
        assert after.uplink.epoch == new, "and keeps it"


async def test_the_same_answer_twice_is_harmless(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    """The cloud stores, and dies before it answers: sent again, answered `repeat`, one alert."""
    fails = iter([True])

    def die(_: list[Json]) -> int | None:
        return 500 if next(fails, False) else None

    cloud.after_storing = die
    async with line(gateway_settings, http) as one:
        one.press(1)
        await until(lambda: any(len(ids) for ids in cloud.requests[1:]))
        await one.settled(cloud)
    assert len(raised(cloud)) == 1


def test_backoff_doubles_within_its_limits() -> None:
    backoff = Backoff(first=1, greatest=5, rand=lambda: 1.0)
    assert [backoff.wait() for _ in range(4)] == [1, 2, 4, 5]
    backoff.reset()
    assert backoff.wait() == 1
    backoff.slow_down()
    assert backoff.wait() == 5
    assert Backoff(first=1, rand=lambda: 0.0).wait() == 0.5
