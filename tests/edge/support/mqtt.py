"""MQTT clients of a real broker: a button and a speaker."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiomqtt
import msgspec

from tests.edge.support.authority import Authority

Json = dict[str, object]
NO_DELAY = (6, 1, 1)  # TCP_NODELAY


@asynccontextmanager
async def client(authority: Authority, port: int, name: str) -> AsyncIterator[aiomqtt.Client]:
    pair = authority.issue(name)
    context = ssl.create_default_context(cafile=authority.certificate)
    context.load_cert_chain(pair.cert, pair.key)
    async with aiomqtt.Client(
        "127.0.0.1",
        port,
        identifier=name,
        tls_context=context,
        protocol=aiomqtt.ProtocolVersion.V311,
        socket_options=[NO_DELAY],
    ) as connected:
        yield connected


class Button:
    """Presses one button and collects its confirmations."""

    def __init__(self, mqtt: aiomqtt.Client, device: str) -> None:
        self.mqtt, self.device = mqtt, device
        self.confirmations: list[Json] = []

    async def press(self, seq: int, pattern: str = "long", **more: object) -> None:
        """Publish a press and wait for the broker's PUBACK."""
        body = {"v": 1, "device": self.device, "inst": "a1b2c3d4", "seq": seq, "boot": 1, "uptime_ms": 1000 * seq}
        await self.send(msgspec.json.encode({**body, "age_ms": 0, "pattern": pattern, **more}))

    async def send(self, body: bytes) -> None:
        await self.mqtt.publish(f"ss/v1/d/{self.device}/alert", body, qos=1)

    async def listen(self) -> None:
        async for message in self.mqtt.messages:
            assert isinstance(message.payload, bytes)
            self.confirmations.append(msgspec.json.decode(message.payload, type=Json))

    def stored(self) -> list[object]:
        return [ack["seq"] for ack in self.confirmations if ack["state"] == "stored"]


@asynccontextmanager
async def button(authority: Authority, port: int, device: str) -> AsyncIterator[Button]:
    async with client(authority, port, device) as mqtt:
        await mqtt.subscribe(f"ss/v1/d/{device}/ack", qos=1)
        one = Button(mqtt, device)
        listening = asyncio.get_running_loop().create_task(one.listen())
        yield one
        listening.cancel()
        with suppress(asyncio.CancelledError, aiomqtt.MqttError):
            await listening


@asynccontextmanager
async def speakers(authority: Authority, port: int) -> AsyncIterator[list[tuple[str, Json]]]:
    """Collect (room, message) for every announcement to any speaker."""
    announced: list[tuple[str, Json]] = []

    async def listen(mqtt: aiomqtt.Client) -> None:
        async for message in mqtt.messages:
            assert isinstance(message.payload, bytes)
            announced.append((str(message.topic).split("/")[3], msgspec.json.decode(message.payload, type=Json)))

    async with client(authority, port, "gateway-speaker") as mqtt:
        await mqtt.subscribe("ss/v1/pa/+/play", qos=1)
        listening = asyncio.get_running_loop().create_task(listen(mqtt))
        yield announced
        listening.cancel()
        with suppress(asyncio.CancelledError, aiomqtt.MqttError):
            await listening
