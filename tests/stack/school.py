"""A running broker with the certificates of its school, and the messages received by its clients."""

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
import pytest

from devstack.machine import pki
from tests.kit.patience import WAIT_SECONDS
from tests.stack import brokers

ARRIVES = WAIT_SECONDS


BROKERS: dict[str, Callable[..., AbstractContextManager[int]]] = {
    "amqtt": brokers.amqtt,
    "mosquitto": brokers.mosquitto,
}


def broker_or_skip(name: str) -> None:
    """Skip a broker that is not installed; in CI it must be."""
    if name == "mosquitto" and brokers.mosquitto_binary() is None:
        reason = "Mosquitto is not installed (Debian: apt install mosquitto)"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)


@dataclass(frozen=True)
class School:
    """A running broker, and the certificates of its school."""

    port: int
    certificates: Path

    def client(
        self,
        identity: pki.Identity | None,
        *,
        client_id: str | None = None,
        clean: bool = True,
    ) -> aiomqtt.Client:
        context = ssl.create_default_context(cafile=str(self.certificates / "root.pem"))
        if identity is not None:
            context.load_cert_chain(identity.certificate, identity.key)
        name = client_id or (identity.name if identity else "anonymous")
        return aiomqtt.Client(
            "127.0.0.1", self.port, identifier=name, tls_context=context, clean_session=clean, timeout=WAIT_SECONDS,
        )  # fmt: skip

    def button(self, number: int) -> pki.Identity:
        return pki.button_identity(self.certificates, pki.device_ids(self.certificates)[number])

    def gateway(self) -> pki.Identity:
        return pki.gateway_identity(self.certificates, brokers.GATEWAY_ID)


@asynccontextmanager
async def received_by(client: aiomqtt.Client, *topics: str) -> AsyncIterator[asyncio.Queue[aiomqtt.Message]]:
    """Subscribe a connected client and queue its messages."""
    received: asyncio.Queue[aiomqtt.Message] = asyncio.Queue()

    async def listen() -> None:
        with contextlib.suppress(aiomqtt.MqttError):
            async for message in client.messages:
                received.put_nowait(message)

    for topic in topics:
        await client.subscribe(topic, qos=1)
    task = asyncio.create_task(listen())
    try:
        yield received
    finally:
        task.cancel()


async def next_of(received: asyncio.Queue[aiomqtt.Message]) -> aiomqtt.Message:
    async with asyncio.timeout(ARRIVES):
        return await received.get()
