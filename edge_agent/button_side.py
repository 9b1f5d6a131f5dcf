"""MQTT 3.1.1 in the building: mutual TLS, a persistent session, one visible loop that reconnects."""

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
from edge_agent.messages.building import Ack, Play, play_topic
from edge_agent.settings import Settings
from edge_agent.tls import dates, leave_dates_out

log = logging.getLogger(__name__)

SUBSCRIPTIONS = [("ss/v1/d/+/alert", 1), ("ss/v1/d/+/health", 0), ("ss/v1/d/+/state", 1)]
CONNECT_SECONDS = 5.0
KEEPALIVE_SECONDS = 15
ASK_EVERY_SECONDS = 1.5
ANSWER_SECONDS = 3.0
"""A broker that stalls is noticed within 5 s: its question every 1.5 s, and 3 s for the answer."""
IN_FLIGHT = 1000
"""Messages that may wait for the broker's puback at once: a school that presses at once is not slowed down."""

AT_ONCE = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
"""Without it an acknowledgement waits about 40 ms for the broker's delayed one."""

OnPress = Callable[[str, bytes], None]
"""(device of the topic, body)."""


class ButtonSide:
    """Presses in; `stored` and PA messages out. `on_link` hears whether the broker is there."""

    def __init__(self, settings: Settings, *, on_link: Callable[[bool], None]) -> None:
        self._settings = settings
        self._on_link = on_link
        self._client: aiomqtt.Client | None = None
        self._connected = asyncio.Event()
        self._telling: set[asyncio.Task[object]] = set()
        self.certificate_ends: datetime | None = None
        """When the certificate that the broker showed last ends: a trouble, never a refusal."""

    async def run(self, on_press: OnPress) -> None:
        """Connect, listen, and connect again for as long as the gateway runs."""
        backoff, told = Backoff(first=0.1, greatest=5.0), False
        while True:
            try:
                async with self._connection(on_press) as client:
                    for topic, qos in SUBSCRIPTIONS:
                        await client.subscribe(topic, qos=qos)
                    backoff.reset()
                    told = False
                    self._linked(client)
                    await self._until_broken(client)
            except (aiomqtt.MqttError, OSError) as error:
                if not told:
                    log.warning("the broker is not there", extra={"reason": str(error)})
                    self._on_link(False)
                told = True
            finally:
                self._linked(None)
            await asyncio.sleep(backoff.wait())

    async def _until_broken(self, client: aiomqtt.Client) -> None:
        """MqttError when the connection ends, or the broker does not answer: a stalled broker closes nothing."""
        ends = [asyncio.ensure_future(_listen(client)), asyncio.ensure_future(_ask_again(client))]
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

    async def acknowledge(self, ack: Ack) -> None:
        """Once: when it is lost the button presses again, and is told again."""
        task = asyncio.current_task()
        if self._client is None or task is None:
            return
        self._telling.add(task)
        try:
            await self._client.publish(ack.topic, msgspec.json.encode(ack), qos=1, timeout=math.inf)
        except aiomqtt.MqttError as error:
            log.info("an acknowledgement was lost", extra={"press": f"{ack.device}:{ack.seq}", "reason": str(error)})
        finally:
            self._telling.discard(task)

    async def say(self, room: str, play: Play, within: float) -> bool:
        """Try until the broker took it or `within` seconds have passed."""
        body, loop = msgspec.json.encode(play), asyncio.get_running_loop()
        until = loop.time() + within
        while (left := until - loop.time()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._connected.wait()
                    if self._client is not None:
                        await self._client.publish(play_topic(room), body, qos=1, timeout=left)
                        return True
            except (aiomqtt.MqttError, TimeoutError):
                await asyncio.sleep(min(0.05, left))
        return False

    def _linked(self, client: aiomqtt.Client | None) -> None:
        changed = (client is None) is not (self._client is None)
        self._client = client
        if client is None:
            self._connected.clear()
            for task in self._telling:
                task.cancel()
        else:
            self._connected.set()
        if changed:
            self._on_link(client is not None)

    def _connection(self, on_press: OnPress) -> aiomqtt.Client:
        settings = self._settings
        context = ssl.create_default_context(cafile=settings.mqtt_ca)
        # A date never keeps the gateway from its buttons: not a wrong clock here, not a late renewal there.
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
            socket_options=[AT_ONCE],
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
        pass  # none comes this way (see _handover): this ends with the connection


async def _ask_again(client: aiomqtt.Client) -> None:
    """Ask the broker for something, again and again: for a subscription that is there already. A ping would do, but
    the library leaves it to a keep alive of whole seconds, of which it waits for two."""
    topic, qos = SUBSCRIPTIONS[0]
    while True:
        await asyncio.sleep(ASK_EVERY_SECONDS)
        await client.subscribe(topic, qos=qos, timeout=ANSWER_SECONDS)


def _handover(on_press: OnPress) -> type[asyncio.Queue[aiomqtt.Message]]:
    """In place of the client's queue: a message is taken as it is read, without a switch of tasks for each."""

    class Handover(asyncio.Queue[aiomqtt.Message]):
        def put_nowait(self, item: aiomqtt.Message) -> None:
            _dispatch(item, on_press)

    return Handover


def _dispatch(message: aiomqtt.Message, on_press: OnPress) -> None:
    """Raises nothing: the client confirms a message to the broker only after this, and an exception would break its
    connection. Health and state are not acted on."""
    try:
        _, _, _, device, kind = str(message.topic).split("/")
        if kind == "alert":
            on_press(device, bytes(message.payload))
    except Exception:
        log.exception("a message could not be taken")
