"""MQTT 3.1.1 in the building: mutual TLS, a persistent session and one reconnect loop."""

import asyncio
import logging
import math
import socket
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime

import aiomqtt
import msgspec

from edge_agent.backoff import Backoff
from edge_agent.messages.building import Ack, Announcement, announcement_topic
from edge_agent.settings import Settings
from edge_agent.tls import dates, leave_dates_out

log = logging.getLogger(__name__)

SUBSCRIPTIONS = [("ss/v1/d/+/alert", 1), ("ss/v1/d/+/health", 0), ("ss/v1/d/+/state", 1)]
CONNECT_SECONDS = 5.0
KEEPALIVE_SECONDS = 15
ASK_EVERY_SECONDS = 1.5
ANSWER_SECONDS = 3.0
"""A stalled broker is detected within 5 s: one request every 1.5 s, and 3 s for the answer."""
IN_FLIGHT = 1000
"""Messages that may wait for the broker's PUBACK at once, enough for a whole school pressing at the same time."""

NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
"""Without it a confirmation waits about 40 ms for the broker's delayed TCP ACK."""

OnPress = Callable[[str, bytes], None]
"""Called with the device of the topic and the body."""


class ButtonSide:
    """Receive presses; send `stored` confirmations and PA messages. `on_link` is called when the connection changes."""

    def __init__(self, settings: Settings, *, on_link: Callable[[bool], None]) -> None:
        self._settings = settings
        self._on_link = on_link
        self._client: aiomqtt.Client | None = None
        self._connected = asyncio.Event()
        self._confirming: set[asyncio.Task[object]] = set()
        self.certificate_ends: datetime | None = None
        """Expiry of the broker's certificate. Once past, it is reported as a trouble; the connection is never
        refused."""

    async def run(self, on_press: OnPress) -> None:
        """Connect, listen and reconnect for as long as the gateway runs."""
        backoff, logged = Backoff(first=0.1, greatest=5.0), False
        while True:
            try:
                async with self._connection(on_press) as client:
                    for topic, qos in SUBSCRIPTIONS:
                        await client.subscribe(topic, qos=qos)
                    backoff.reset()
                    logged = False
                    self._linked(client)
                    await self._until_broken(client)
            except (aiomqtt.MqttError, OSError) as error:
                if not logged:
                    log.warning("cannot reach the broker", extra={"reason": str(error)})
                    self._on_link(False)
                logged = True
            finally:
                self._linked(None)
            await asyncio.sleep(backoff.wait())

    async def _until_broken(self, client: aiomqtt.Client) -> None:
        """Raise MqttError when the connection ends or the broker stops answering: a stalled broker does not
        disconnect."""
        ends = [asyncio.ensure_future(_listen(client)), asyncio.ensure_future(_probe(client))]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._linked(None)
            for end in ends:
                end.cancel()
            results = await asyncio.gather(*ends, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def confirm_stored(self, ack: Ack) -> None:
        """Send the confirmation once. If it is lost, the button sends the press again and gets another one."""
        task = asyncio.current_task()
        if self._client is None or task is None:
            return
        self._confirming.add(task)
        try:
            await self._client.publish(ack.topic, msgspec.json.encode(ack), qos=1, timeout=math.inf)
        except aiomqtt.MqttError as error:
            log.info("a confirmation was lost", extra={"press": f"{ack.device}:{ack.seq}", "reason": str(error)})
        finally:
            self._confirming.discard(task)

    async def announce(self, room: str, announcement: Announcement, within: float) -> bool:
        """Retry until the broker accepts the message or `within` seconds have passed."""
        body, loop = msgspec.json.encode(announcement), asyncio.get_running_loop()
        until = loop.time() + within
        while (left := until - loop.time()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._connected.wait()
                    if self._client is not None:
                        await self._client.publish(announcement_topic(room), body, qos=1, timeout=left)
                        return True
            except (aiomqtt.MqttError, TimeoutError):
                await asyncio.sleep(min(0.05, left))
        return False

    def _linked(self, client: aiomqtt.Client | None) -> None:
        changed = (client is None) is not (self._client is None)
        self._client = client
        if client is None:
            self._connected.clear()
            for task in self._confirming:
                task.cancel()
        else:
            self._connected.set()
        if changed:
            self._on_link(client is not None)

    def _connection(self, on_press: OnPress) -> aiomqtt.Client:
        settings = self._settings
        context = ssl.create_default_context(cafile=settings.mqtt_ca)
        # Certificate dates never cut the gateway off from its buttons: neither a wrong clock nor a late renewal may.
        leave_dates_out(context, out=True)
        context.sslsocket_class = self._noting_dates()
        context.load_cert_chain(settings.mqtt_cert, settings.mqtt_key)
        return aiomqtt.Client(
            settings.mqtt_host,
            settings.mqtt_port,
            identifier=f"gateway-{settings.gateway_id}",
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=False,
            tls_context=context,
            queue_type=_handover(on_press),
            keepalive=KEEPALIVE_SECONDS,
            timeout=CONNECT_SECONDS,
            max_inflight_messages=IN_FLIGHT,
            socket_options=[NO_DELAY],
        )

    def _noting_dates(self) -> type[ssl.SSLSocket]:
        def note(certificate: Mapping[str, object]) -> None:
            _, self.certificate_ends = dates(certificate)

        class Noting(ssl.SSLSocket):
            def do_handshake(self, block: bool = False) -> None:
                super().do_handshake(block)
                if certificate := self.getpeercert():
                    note(certificate)

        return Noting


async def _listen(client: aiomqtt.Client) -> None:
    async for _ in client.messages:
        pass  # messages are dispatched in _handover: the iterator only ends with the connection


async def _probe(client: aiomqtt.Client) -> None:
    """Repeat an existing subscription to check that the broker answers. aiomqtt's own keep-alive is slower: it has
    whole seconds, and a dead connection takes two of its intervals."""
    topic, qos = SUBSCRIPTIONS[0]
    while True:
        await asyncio.sleep(ASK_EVERY_SECONDS)
        await client.subscribe(topic, qos=qos, timeout=ANSWER_SECONDS)


def _handover(on_press: OnPress) -> type[asyncio.Queue[aiomqtt.Message]]:
    """Replace the client's queue: dispatch each message as it is read, without a task switch."""

    class Handover(asyncio.Queue[aiomqtt.Message]):
        def put_nowait(self, item: aiomqtt.Message) -> None:
            _dispatch(item, on_press)

    return Handover


def _dispatch(message: aiomqtt.Message, on_press: OnPress) -> None:
    """Dispatch a message without raising: the client sends the broker its PUBACK only afterwards, and an exception
    would end the connection. Health and state messages are ignored."""
    try:
        _, _, _, device, kind = str(message.topic).split("/")
        if kind == "alert":
            on_press(device, bytes(message.payload))
    except Exception:
        log.exception("a message could not be processed")
