"""A button's MQTT connection without its retries: sends what a test specifies, in any number and order."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import aiomqtt
import msgspec

from devstack.machine.pki import button_identity, instance
from devstack.simulator.button import Gesture
from devstack.simulator.simulated import CONTRACT, Acknowledgement, PressMessage
from tests.faults.chain import SETTLE_SECONDS, Chain

BOOT = 900
"""Boot number of these buttons, unused by other tests, so that no press is a repeat of another test's."""
FIRST_SEQ = 1_000_000
REPEAT_SECONDS = 10.0
"""A confirmation can be lost with a connection of the gateway, so a button sends again, as real ones do."""


class ButtonClient:
    """A connection of a button."""

    def __init__(self, device: str, inst: str, client: aiomqtt.Client) -> None:
        self.device, self.inst = device, inst
        self._client = client
        self._unconfirmed: dict[int, bytes] = {}
        self._news = asyncio.Event()

    def name(self, seq: int) -> str:
        """Return the name of the alert that this press raises."""
        return f"{self.device}:{self.inst}:{seq}"

    def message(self, seq: int, gesture: Gesture, *, ago: timedelta = timedelta(0)) -> bytes:
        """Build a press made `ago`; its identity is the same each time it is sent."""
        at = datetime.now(UTC) - ago
        return msgspec.json.encode(
            PressMessage(
                v=CONTRACT,
                device=self.device,
                inst=self.inst,
                seq=seq,
                boot=BOOT,
                uptime_ms=seq * 1000,
                age_ms=int(ago / timedelta(milliseconds=1)),
                pattern=gesture.pattern,
                at=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                clock="ntp",
                key=msgspec.UNSET if gesture.key is None else gesture.key,
            )
        )

    async def send(self, seq: int, body: bytes) -> None:
        """Publish the message of this press, and wait for the broker's PUBACK."""
        self._unconfirmed[seq] = body
        await self._client.publish(f"ss/v1/d/{self.device}/alert", body, qos=1)

    async def wait_until_stored(self) -> None:
        """Wait until the gateway has confirmed each press as stored."""
        async with asyncio.timeout(SETTLE_SECONDS):
            while self._unconfirmed:
                self._news.clear()
                try:
                    async with asyncio.timeout(REPEAT_SECONDS):
                        await self._news.wait()
                except TimeoutError:
                    for seq, body in tuple(self._unconfirmed.items()):
                        await self.send(seq, body)

    async def receive(self) -> None:
        """Receive confirmations for as long as the connection lasts."""
        async for message in self._client.messages:
            if isinstance(message.payload, bytes):
                answer = msgspec.json.decode(message.payload, type=Acknowledgement)
                if answer.state == "stored":
                    self._unconfirmed.pop(answer.seq, None)
                    self._news.set()


@asynccontextmanager
async def button_client(chain: Chain, device: str) -> AsyncIterator[ButtonClient]:
    """Connect this button until the end of the block."""
    identity = button_identity(chain.place.pki, device)
    context = ssl.create_default_context(cafile=str(chain.place.pki / "root.pem"))
    context.load_cert_chain(identity.certificate, identity.key)
    port = chain.demo.mqtt.port
    async with aiomqtt.Client("127.0.0.1", port, identifier=device, tls_context=context, timeout=30) as client:
        await client.subscribe(f"ss/v1/d/{device}/ack", qos=1)
        line = ButtonClient(device, instance(identity), client)
        receiving = asyncio.create_task(line.receive())
        try:
            yield line
        finally:
            receiving.cancel()
            with suppress(asyncio.CancelledError, aiomqtt.MqttError):
                await receiving
