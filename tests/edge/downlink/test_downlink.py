"""Messages from the cloud: handled once, in order, from the cursor, through any reconnection."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx
import pytest

from contracts import examples
from edge_agent.downlink import downlink
from edge_agent.downlink.downlink import DownlinkClient
from edge_agent.messages.cloud import AlertCreated, AlertUpdated, Command, ConfigChanged, Cursor
from edge_agent.settings import Settings
from edge_agent.uplink.credentials import Credentials
from tests.edge.support.cloud import Cloud, Json
from tests.edge.support.rig import until
from tests.kit.patience import WAIT_SECONDS

EXAMPLES: dict[str, Json] = {example.name: json.loads(example.raw) for example in examples("edge_downlink", "valid")}


@dataclass
class Listener:
    handled: list[AlertCreated | AlertUpdated | Command | ConfigChanged] = field(default_factory=list)
    cursors: list[int | None] = field(default_factory=list)
    line: list[str] = field(default_factory=list)

    def handle(self, message: AlertCreated | AlertUpdated | Command | ConfigChanged, then: Cursor) -> None:
        self.handled.append(message)
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


async def test_messages_are_handled_and_cursor_stored(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    async with listening(gateway_settings, http) as (listener, _):
        await until(lambda: cloud.sockets)
        for seq, name in enumerate(["alert.created", "alert.updated", "command.arm_drill", "config.changed"], 11):
            await cloud.send_message(message(name, seq))
        await cloud.send_message(message("ping", 99))
        await until(lambda: len(listener.handled) == 4)
        assert listener.cursors == [11, 12, 13, 14], "a ping does not move the cursor"
    assert cloud.resumed == [None]


async def test_downlink_resumes_at_cursor_without_duplicates(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    async with listening(gateway_settings, http, cursor=10) as (listener, _):
        await until(lambda: cloud.sockets)
        await cloud.send_message(message("alert.updated", 11))
        await until(lambda: listener.handled)
        await cloud.stop()
        await until(lambda: "lost" in listener.line)
        cloud.on_resume = [message("alert.updated", 11), message("alert.updated", 12), message("ready", 12)]
        await cloud.start()
        await until(lambda: "caught up" in listener.line)
    assert cloud.resumed == [10, 11]
    assert [handled.seq for handled in listener.handled] == [11, 12]


async def test_resync_resets_cursor(gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud) -> None:
    """The cloud was restored: its feed ends before the gateway's cursor."""
    cloud.on_resume = [message("resync", 40)]
    async with listening(gateway_settings, http, cursor=500) as (listener, client):
        await until(lambda: client.cursor.cursor == 40)
        await until(lambda: cloud.sockets)
        await cloud.send_message(message("alert.updated", 41))
        await until(lambda: listener.handled)
    assert listener.cursors == [40, 41]


async def test_unreadable_message_is_skipped(gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud) -> None:
    async with listening(gateway_settings, http) as (listener, _):
        await until(lambda: cloud.sockets)
        for raw in ("{", '{"type":"alert.of_tomorrow","seq":3}', '{"type":"command","seq":-1}', b"\xff\xfe"):
            await cloud.sockets[0].send(raw)
        await cloud.send_message(message("alert.updated", 5))
        await until(lambda: listener.handled)
        assert len(cloud.resumed) == 1, "without a reconnection"


async def test_expired_token_is_renewed(gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud) -> None:
    async with listening(gateway_settings, http):
        await until(lambda: cloud.sockets)
        cloud.tokens.clear()
        await cloud.sockets[0].close(4401)
        await until(lambda: len(cloud.resumed) == 2)
        assert cloud.issued_tokens == 2


async def test_silent_connection_is_closed(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half-open connection: the cloud would send a message every 10 s."""
    monkeypatch.setattr(downlink, "SILENCE_SECONDS", 0.1)
    async with listening(gateway_settings, http):
        await until(lambda: len(cloud.resumed) >= 2)


async def test_resume_includes_epoch_of_cursor(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    """A restored cloud restarts its feed seq, so the same number is another position there."""
    epoch = "0198f2c4-6a10-4e00-8c41-5d2e8f7a0e0c"
    cloud.on_resume = [{**message("ready", 12), "epoch": epoch}]
    async with listening(gateway_settings, http, cursor=12) as (_, client):
        await until(lambda: client.cursor == Cursor(12, epoch))
        await cloud.sockets[0].close()
        await until(lambda: len(cloud.epochs_resumed) == 2)
    assert cloud.epochs_resumed == [None, epoch]


async def test_downlink_resumes_from_cursor_loaded_late(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was slow at startup: the connection began at the present and resumes from the stored cursor."""
    monkeypatch.setattr(downlink, "SILENCE_SECONDS", 10 * WAIT_SECONDS)
    async with listening(gateway_settings, http) as (_, client):
        await until(lambda: cloud.sockets)
        await client.resume_from(Cursor(7))
        await until(lambda: cloud.resumed == [None, 7])
