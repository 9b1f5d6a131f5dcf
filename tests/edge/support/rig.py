"""A gateway with a real store, and a building and a cloud that only record calls."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edge_agent.gateway import Gateway
from edge_agent.messages.building import Ack, Announcement
from edge_agent.messages.events import Event
from edge_agent.order import Outgoing
from edge_agent.store.store import Kept, Store
from tests.edge.support.school import DEVICES, policy
from tests.kit.patience import WAIT_SECONDS


@dataclass
class Building:
    acks: list[Ack] = field(default_factory=list)
    announcements: list[tuple[str, Announcement]] = field(default_factory=list)
    announced_at: list[float] = field(default_factory=list)
    reachable: bool = True

    async def confirm_stored(self, ack: Ack) -> None:
        self.acks.append(ack)

    async def announce(self, room: str, announcement: Announcement, within: float) -> bool:
        if self.reachable:
            self.announcements.append((room, announcement))
            self.announced_at.append(time.perf_counter())
        return self.reachable


@dataclass
class Cloud:
    offered: list[Event] = field(default_factory=list)

    def offer(self, events: Sequence[Outgoing]) -> None:
        self.offered.extend(out.event for out in events)

    def kinds(self) -> list[str]:
        return [str(msgspec.to_builtins(event)["kind"]) for event in self.offered]


@dataclass
class Rig:
    gateway: Gateway
    store: Store
    building: Building
    cloud: Cloud
    health: list[str | None]
    loads: list[Kept]

    def press(self, seq: int, device: str = DEVICES[0], pattern: str = "long") -> None:
        body = {"v": 1, "device": device, "inst": "a1b2c3d4", "seq": seq, "boot": 1, "uptime_ms": 1000 * seq}
        body |= {"age_ms": 0, "pattern": pattern}
        self.gateway.receive(device, msgspec.json.encode(body))


@asynccontextmanager
async def rig(folder: Path, *, opens: bool = True) -> AsyncIterator[Rig]:
    """Run a gateway; with `opens=False`, without waiting for the disk."""
    health: list[str | None] = []
    loads: list[Kept] = []
    opened = asyncio.Event()
    building, cloud = Building(), Cloud()

    def on_health(reason: str | None) -> None:
        health.append(reason)
        if reason is None:
            gateway.recovered("store_failing")
        else:
            gateway.trouble("store_failing", detail=reason)

    store = Store(folder, on_open=opened.set, on_health=on_health)
    async with asyncio.TaskGroup() as tasks:
        gateway = Gateway(disk=store, building=building, cloud=cloud, tasks=tasks)
        gateway.state.policy = policy()
        store.start()
        if opens:
            await asyncio.wait_for(opened.wait(), WAIT_SECONDS)
            loads.append(await store.load())
            gateway.load(loads[0])
        yield Rig(gateway, store, building, cloud, health, loads)
        await gateway.finish(0.5)
    await store.close(0.5)


async def until(condition: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
    """Wait for a condition, or fail."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s")
        await asyncio.sleep(0.005)


def rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    """Query a store."""
    with closing(sqlite3.connect(folder / "gateway.sqlite3")) as connection:
        return connection.execute(sql).fetchall()
