"""The uplink: no event is dropped unanswered, fresh ones go first, and an invalid one blocks no other."""

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
from tests.kit.patience import Promise

LIVE_SECONDS = 0.4
SLOW_SECONDS = 3.0


@dataclass
class Line:
    """A gateway with a real store and a real uplink."""

    gateway: Gateway
    store: Store
    uplink: Uplink
    building: Building
    credentials: Credentials
    sending: asyncio.Task[None]

    def press(self, seq: int, device: str = DEVICES[0], pattern: str = "long") -> None:
        body = {"v": 1, "device": device, "inst": "a1b2c3d4", "seq": seq, "boot": 1, "uptime_ms": 1000 * seq}
        body |= {"age_ms": 0, "pattern": pattern}
        self.gateway.receive(device, msgspec.json.encode(body))

    async def settled(self, cloud: Cloud) -> None:
        """Wait until the cloud has every event."""
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


async def test_press_reaches_cloud_with_hops(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "DEADLINE_SECONDS", 30)  # this test is not about a busy disk
    async with line(gateway_settings, http) as one:
        one.press(1, DEVICES[1], "short")
        # The backlog is read once at the start, which may send an event before its hops are complete.
        await one.settled(cloud)
        one.press(1)  # graver, so that it is announced over the first
        await until(lambda: len(cloud.of_kind("alert.raised")) == 2)
        hops = msgspec.convert(cloud.of_kind("alert.raised")[1]["hops"], dict[str, str | None])
        passed = [str(hops[name]) for name in ("pressed_at", "arrived_at", "stored_at", "acted_at")]
        assert passed == sorted(passed) and "None" not in passed
        await one.settled(cloud)
        assert one.gateway.state.alerts[f"{DEVICES[0]}:a1b2c3d4:1"].stage == "forwarded"


@pytest.mark.slow
async def test_events_are_neither_lost_nor_duplicated_during_cloud_outage(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    """The cloud disappears twice during a stream of presses, and the gateway restarts."""
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
async def test_fresh_press_does_not_wait_for_backlog(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    """A fresh press arrives at once while 5,000 older alerts drain at three seconds per request."""
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
async def test_uplink_retries_event_of_locked_alert_without_delaying_others(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    """The cloud returns `retry` for one alert: it is not dropped, stays in order, and blocks no other."""
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
async def test_alert_is_never_overtaken_by_later_events(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    """Whichever request comes first, the raise in the backlog precedes the new press."""
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
async def test_refused_event_blocks_no_others(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud, status: int
) -> None:
    """The cloud refuses any request with the event: it is isolated, put aside and reported; the others are sent."""
    cloud.misbehave = lambda events: status if any(event.get("device") == "ss-00000030" for event in events) else None
    async with line(gateway_settings, http) as one:
        for number in range(100):
            one.press(1, f"ss-{number:08x}")
        await until(lambda: len(raised(cloud)) == 99)
        await until(lambda: any(event["trouble"] == "event_refused" for event in cloud.of_kind("device.trouble")))
        await until(lambda: len(cloud.events) > 99)
        assert "ss-00000030" not in raised(cloud)
        assert await one.store.depth() >= 1, "it is kept for a retry"


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
async def test_server_error_drops_no_event(
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
        one.press(1, DEVICES[1], "short")
        await until(lambda: len(raised(cloud)) == 2)


async def test_quarantined_event_is_dropped(gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud) -> None:
    async with line(gateway_settings, http) as one:
        bad = TroubleBegan(at="not a time", device=None, trouble="x", detail=None, since="never")
        one.gateway.publish([bad])
        one.press(1)
        await one.settled(cloud)
        assert raised(cloud) == [DEVICES[0]] and not cloud.of_kind("device.trouble")


async def test_expired_token_is_renewed(gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud) -> None:
    async with line(gateway_settings, http) as one:
        one.press(1)
        await until(lambda: len(raised(cloud)) == 1)
        cloud.tokens.clear()
        one.press(1, DEVICES[1], "short")
        await until(lambda: len(raised(cloud)) == 2)
        assert cloud.issued_tokens == 2


async def test_unknown_key_raises_credentials_error(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    cloud.gateway_id = "another"
    with pytest.raises(CredentialsRefusedError):
        await Credentials(gateway_settings, http).token()


async def test_lost_events_are_sent_again_after_cloud_restore(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    """The watermark moves back after a restore, and the lost events are sent again."""
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


async def test_cloud_restore_is_detected_after_outage(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    """A fresh event hides the loss in the watermark, so the gateway sends its latest confirmed event again."""
    async with line(gateway_settings, http) as one:
        one.press(1)
        await one.settled(cloud)
        await until(lambda: raised(cloud))
        await cloud.stop()
        one.press(1, DEVICES[1], "short")
        cloud.forget({str(event["event_id"]) for event in cloud.events})
        await asyncio.sleep(0.3)
        await cloud.start()
        await until(lambda: set(raised(cloud)) == {DEVICES[0], DEVICES[1]})


async def test_restored_gateway_starts_new_epoch(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud, tmp_path: Path
) -> None:
    """The gateway's store is older than what the cloud has received from it."""
    async with line(gateway_settings, http) as one:
        one.press(1)
        await one.settled(cloud)
        epoch = one.uplink.epoch
    backup = {path.name: path.read_bytes() for path in gateway_settings.state_dir.iterdir()}
    async with line(gateway_settings, http) as one:
        one.press(1, DEVICES[1], "short")
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
        assert after.uplink.epoch == new, "the new epoch is kept"


async def test_event_sent_twice_raises_one_alert(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    """The cloud stores and fails before it responds: the event is sent again, with the result `repeat` and one
    alert."""
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
