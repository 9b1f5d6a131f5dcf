"""What the cloud tells: heard once, in order, from where it stopped, whatever happens to the line."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx
import pytest

from contracts import examples
from edge_agent import downlink
from edge_agent.downlink import DownlinkClient
from edge_agent.messages.cloud import AlertCreated, AlertUpdated, Command, ConfigChanged, Cursor
from edge_agent.settings import Settings
from edge_agent.uplink.credentials import Credentials
from tests.edge.support.cloud import Cloud, Json
from tests.edge.support.rig import until
from tests.patience import WAIT_SECONDS

EXAMPLES: dict[str, Json] = {example.name: json.loads(example.raw) for example in examples("edge_downlink", "valid")}


@dataclass
class Listener:
    heard: list[AlertCreated | AlertUpdated | Command | ConfigChanged] = field(default_factory=list)
    cursors: list[int | None] = field(default_factory=list)
    line: list[str] = field(default_factory=list)

    def hear(self, message: AlertCreated | AlertUpdated | Command | ConfigChanged, then: Cursor) -> None:
        self.heard.append(message)
        self.keep_cursor(then)

    def lost(self) -> None:
        self.line.append("lost")

    def caught_up(self) -> None:
        self.line.append("caught up")

    def keep_cursor(self, cursor: Cursor) -> None:
        self.cursors.append(cursor.cursor)


@asynccontextmanager
async def listening(
    settings: Settings, http: httpx.AsyncClient, cursor: int | None = None
) -> AsyncIterator[tuple[Listener, DownlinkClient]]:
    listener = Listener()
    client = DownlinkClient(settings, Credentials(settings, http), listener, ssl.create_default_context())
    client.cursor = Cursor(cursor)
    running = asyncio.get_running_loop().create_task(client.run())
    yield listener, client
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def message(name: str, seq: int) -> Json:
    return {**EXAMPLES[name], "seq": seq}


async def test_messages_are_heard_and_the_cursor_kept(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    async with listening(gateway_settings, http) as (listener, _):
        await until(lambda: cloud.sockets)
        for seq, name in enumerate(["alert.created", "alert.updated", "command.arm_drill", "config.changed"], 11):
            await cloud.tell(message(name, seq))
        await cloud.tell(message("ping", 99))
        await until(lambda: len(listener.heard) == 4)
        assert listener.cursors == [11, 12, 13, 14], "a ping is no place that was heard"
    assert cloud.resumed == [None]


async def test_it_resumes_where_it_stopped_and_hears_nothing_twice(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    async with listening(gateway_settings, http, cursor=10) as (listener, _):
        await until(lambda: cloud.sockets)
        await cloud.tell(message("alert.updated", 11))
        await until(lambda: listener.heard)
        await cloud.stop()
        await until(lambda: "lost" in listener.line)
        cloud.on_resume = [message("alert.updated", 11), message("alert.updated", 12), message("ready", 12)]
        await cloud.start()
        await until(lambda: "caught up" in listener.line)
    assert cloud.resumed == [10, 11]
    assert [heard.seq for heard in listener.heard] == [11, 12]


async def test_a_resync_sets_the_cursor_back(gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud) -> None:
    """The cloud was restored: its order ends before the place that this gateway remembers."""
    cloud.on_resume = [message("resync", 40)]
    async with listening(gateway_settings, http, cursor=500) as (listener, client):
        await until(lambda: client.cursor.cursor == 40)
        await until(lambda: cloud.sockets)
        await cloud.tell(message("alert.updated", 41))
        await until(lambda: listener.heard)
    assert listener.cursors == [40, 41]


async def test_a_message_that_cannot_be_read_costs_no_other(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    async with listening(gateway_settings, http) as (listener, _):
        await until(lambda: cloud.sockets)
        for raw in ("{", '{"type":"alert.of_tomorrow","seq":3}', '{"type":"command","seq":-1}', b"\xff\xfe"):
            await cloud.sockets[0].send(raw)
        await cloud.tell(message("alert.updated", 5))
        await until(lambda: listener.heard)
        assert len(cloud.resumed) == 1, "on the same line"


async def test_an_ended_token_is_renewed(gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud) -> None:
    async with listening(gateway_settings, http):
        await until(lambda: cloud.sockets)
        cloud.tokens.clear()
        await cloud.sockets[0].close(4401)
        await until(lambda: len(cloud.resumed) == 2)
        assert cloud.asked_tokens == 2


async def test_a_line_that_says_nothing_is_given_up(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-open connection: the cloud would say something every 10 s."""
    monkeypatch.setattr(downlink, "SILENCE_SECONDS", 0.1)
    async with listening(gateway_settings, http):
        await until(lambda: len(cloud.resumed) >= 2)


async def test_resume_names_the_history_that_the_cursor_counts_in(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    """A cloud that was restored counts anew: the same number is another place there."""
    epoch = "0198f2c4-6a10-4e00-8c41-5d2e8f7a0e0c"
    cloud.on_resume = [{**message("ready", 12), "epoch": epoch}]
    async with listening(gateway_settings, http, cursor=12) as (_, client):
        await until(lambda: client.cursor == Cursor(12, epoch))
        await cloud.sockets[0].close()
        await until(lambda: len(cloud.epochs_resumed) == 2)
    assert cloud.epochs_resumed == [None, epoch]


async def test_cursor_that_was_read_late_is_heard_from(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was slow at start: the line began at the present, and goes back at once to what was missed."""
    monkeypatch.setattr(downlink, "SILENCE_SECONDS", 10 * WAIT_SECONDS)
    async with listening(gateway_settings, http) as (_, client):
        await until(lambda: cloud.sockets)
        await client.resume_from(Cursor(7))
        await until(lambda: cloud.resumed == [None, 7])
