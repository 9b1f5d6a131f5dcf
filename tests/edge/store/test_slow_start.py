"""A slow disk at startup: the gateway runs without it, and then resumes from the stored cursor."""

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
"""Positions in the cloud's feed: the stored cursor, and the current end."""


def stopped_at(folder: Path, cursor: int) -> None:
    """Create a store with this cursor."""
    with closing(open_store(folder / "gateway.sqlite3")) as connection:
        connection.execute("INSERT INTO meta VALUES ('downlink', ?)", (f'{{"cursor":{cursor}}}',))


async def test_missed_close_is_received_once_disk_is_readable(
    gateway_settings: Settings, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages received before that must not replace the stored cursor."""
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
        await cloud.send_message({"type": "alert.updated", "seq": PRESENT + 1, "alert": alert})
        await until(lambda: rows(gateway_settings.state_dir, "SELECT alert_id FROM alerts"))
        readable.set()
        await until(lambda: len(cloud.resumed) == 2)
        stop.set()
        await running
    assert cloud.resumed == [None, MISSED]
