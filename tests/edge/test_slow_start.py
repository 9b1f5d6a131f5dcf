"""A disk that is slow at start: the gateway runs without it, and then goes on from where it had stopped."""

import asyncio
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent import agent as agent_module
from edge_agent.agent import Agent
from edge_agent.clock import Clock
from edge_agent.settings import Settings
from edge_agent.store.schema import open_store
from edge_agent.store.store import Kept, Store
from edge_agent.uplink.cloud import CloudLine
from tests.edge.support.cloud import Cloud
from tests.edge.support.rig import rows, until
from tests.edge.support.school import DEVICES
from tests.edge.test_agent import closed

MISSED, PRESENT = 5, 40
"""Places in what the cloud tells: where the last run stopped, and where the cloud is now."""


def stopped_at(folder: Path, cursor: int) -> None:
    """A store as a run that heard so far left it."""
    with closing(open_store(folder / "gateway.sqlite3")) as connection:
        connection.execute("INSERT INTO meta VALUES ('downlink', ?)", (f'{{"cursor":{cursor}}}',))


async def test_what_was_closed_meanwhile_is_heard_when_the_disk_can_be_read(
    gateway_settings: Settings, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is heard before that must not take the place of where the last run stopped."""
    stopped_at(gateway_settings.state_dir, MISSED)
    readable, load, stop = asyncio.Event(), Store.load, asyncio.Event()

    async def load_late(store: Store) -> Kept:
        await readable.wait()
        return await load(store)

    monkeypatch.setattr(Store, "load", load_late)
    monkeypatch.setattr(agent_module, "LOAD_SECONDS", 0.01)
    cloud.on_resume = [{"type": "ready", "seq": PRESENT}]
    line = CloudLine(gateway_settings, Clock(gateway_settings.state_dir, floor=datetime(2026, 1, 1, tzinfo=UTC)))
    async with line.client() as http, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(Agent(gateway_settings, line, http, tasks).run(stop))
        await until(lambda: cloud.sockets)
        alert = closed(f"{DEVICES[0]}:a1b2c3d4:1")
        await cloud.tell({"type": "alert.updated", "seq": PRESENT + 1, "alert": alert})
        await until(lambda: rows(gateway_settings.state_dir, "SELECT alert_id FROM alerts"))
        readable.set()
        await until(lambda: len(cloud.resumed) == 2)
        stop.set()
        await running
    assert cloud.resumed == [None, MISSED]
