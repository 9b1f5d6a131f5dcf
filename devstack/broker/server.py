"""The embedded MQTT broker: amqtt with additional access control. Run as `python -m devstack.broker.server`.

Plain amqtt 0.12 accepts clients without a certificate, accepts any client id (and with it another client's session)
before authentication, publishes last wills regardless of topic rules, sends a new connection the retained messages of
all subscriptions, never closes silent connections, and lets one client's flood delay all others. Therefore each
connection passes `_admit` first: it needs a certificate of this organization's CA, a client id equal to the
certificate's name, and a will within its own topics. Its packets are read by `packets.Reader`.
"""

import asyncio
import contextlib
import logging
import os
import signal
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path

from amqtt.adapters import StreamWriterAdapter
from amqtt.broker import Broker, RetainedApplicationMessage
from amqtt.contexts import Action, BrokerConfig, ListenerConfig, ListenerType
from amqtt.errors import AMQTTError
from amqtt.mqtt.connack import IDENTIFIER_REJECTED, NOT_AUTHORIZED, ConnackPacket
from amqtt.mqtt.connect import ConnectPacket
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.session import ApplicationMessage, Session
from cryptography import x509
from cryptography.x509.oid import NameOID
from typing_extensions import override

from devstack.broker.acl import GATEWAY, Use, known, may, may_retain
from devstack.broker.packets import Rate, Reader

log = logging.getLogger("safesignal.broker")

# Maximum time from the TCP connection to a complete CONNECT.
SECONDS_TO_CONNECT = 10.0
# Messages of a button before its connection is throttled: far more than a hand makes or its flash stores.
PRESSES_AT_ONCE = 200
PRESSES_A_SECOND = 10.0


@dataclass(frozen=True)
class Connection:
    """The open connection of a client."""

    task: asyncio.Task[object]
    writer: asyncio.StreamWriter


class OrganizationBroker(Broker):
    """A broker for the buttons and the gateway of one organization."""

    def __init__(self, listener: ListenerConfig) -> None:
        super().__init__(BrokerConfig(listeners={"default": listener}, plugins={}))
        self._open: dict[str, Connection] = {}
        self._takeover_locks: dict[str, asyncio.Lock] = {}

    @staticmethod
    @override
    def _create_ssl_context(listener: ListenerConfig) -> ssl.SSLContext:
        """Require a client certificate of the organization's CA (an intermediate that is trusted by itself)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(str(listener.certfile), str(listener.keyfile))
        context.load_verify_locations(cafile=str(listener.cafile))
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    @override
    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        """Admit a client, close its older connection, and only then pass the new one to amqtt."""
        try:
            guarded = Reader(reader)
            name = await self._admit(guarded, writer)
            if name is not None:
                await self._replace(name, writer)
                try:
                    await self._client_connected(listener_name, guarded, StreamWriterAdapter(writer))
                finally:
                    if (current := self._open.get(name)) is not None and current.writer is writer:
                        del self._open[name]
        except (OSError, asyncio.IncompleteReadError, AMQTTError) as error:
            log.info("Connection ended: %r", error)
        finally:
            with contextlib.suppress(OSError):
                writer.close()

    async def _admit(self, reader: Reader, writer: asyncio.StreamWriter) -> str | None:
        """Return the client's name, or None after rejecting it."""
        name = certificate_name(writer.get_extra_info("ssl_object"))
        try:
            async with asyncio.timeout(SECONDS_TO_CONNECT):
                connect = await ConnectPacket.from_stream(reader)
        except TimeoutError:
            log.warning("%s: no CONNECT within %.0f s", name, SECONDS_TO_CONNECT)
            return None
        if name is None or not known(name):
            reason, code = "no certificate of a button or gateway", NOT_AUTHORIZED
        elif connect.client_id != name:
            reason, code = f"client id {connect.client_id!r} is not the certificate's name", IDENTIFIER_REJECTED
        elif connect.will_flag and not may(name, connect.will_topic or "", Use.PUBLISH):
            reason, code = f"a will for {connect.will_topic!r}", NOT_AUTHORIZED
        else:
            rate = None if GATEWAY.match(name) else Rate(per_second=PRESSES_A_SECOND, burst=PRESSES_AT_ONCE)
            reader.admit(keep_alive=connect.keep_alive, rate=rate)
            return name
        log.warning("Refused %s: %s", name, reason)
        await ConnackPacket.build(0, code).to_stream(StreamWriterAdapter(writer))
        return None

    async def _replace(self, name: str, writer: asyncio.StreamWriter) -> None:
        """Close the client's older connection and wait until amqtt has released it (MQTT 3.1.4-2).

        amqtt's own takeover lets the end of the old connection mark the new one as disconnected.
        """
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served outside a task")
        async with self._takeover_locks.setdefault(name, asyncio.Lock()):
            older = self._open.get(name)
            if older is not None:
                older.writer.transport.abort()
                await asyncio.wait({older.task}, timeout=SECONDS_TO_CONNECT)
            # amqtt would resume a session that should have ended with its connection.
            left = self._sessions.get(name)
            if left is not None and left[0].clean_session:
                await self._delete_session(name)
            self._open[name] = Connection(task, writer)

    @override
    async def _authenticate(self, session: Session, _: ListenerConfig) -> bool:
        return session.client_id in self._open

    @override
    async def _topic_filtering(self, session: Session, topic: str, action: Action) -> bool:
        return may(session.client_id or "", topic, Use(action.value))

    @override
    async def retain_message(
        self,
        source_session: Session | None,
        topic_name: str | None,
        data: bytes | bytearray | None,
        qos: int | None = None,
    ) -> None:
        if topic_name is not None and may_retain(topic_name):
            await super().retain_message(source_session, topic_name, data, qos)

    @override
    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        """Send retained messages for a client's own subscriptions, limited to those that it may receive."""
        topic_filter, qos = subscription
        handler = self._get_handler(session)
        subscribers = self._subscriptions.get(topic_filter, [])
        if handler is None or all(subscriber.client_id != session.client_id for subscriber, _ in subscribers):
            return
        for topic, kept in list(self._retained_messages.items()):
            if self._matches(topic, topic_filter) and may(session.client_id or "", topic, Use.RECEIVE):
                self._send(handler, kept, min(qos, kept.qos or 0), retain=True)

    @override
    async def _publish_session_retained_messages(self, session: Session) -> None:
        """Send messages queued while the client was away, without the retain flag as they are ordinary ones."""
        handler = self._get_handler(session)
        while handler is not None and not session.retained_messages.empty():
            waiting = session.retained_messages.get_nowait()
            self._send(handler, waiting, waiting.qos or 0, retain=False)

    def _send(self, handler: BrokerProtocolHandler, message: ApplicationMessage, qos: int, *, retain: bool) -> None:
        """Start sending; the broadcast loop collects the result, as for every other message."""
        sending = handler.mqtt_publish(message.topic, message.data, qos, retain=retain)
        self._tasks_queue.append(asyncio.ensure_future(sending))

    @override
    async def _run_broadcast(self, running_tasks: object) -> None:
        """Distribute a message; iterates over copies, as amqtt's loop loses it when a client subscribes meanwhile."""
        broadcast = await self._broadcast_queue.get()
        topic: str = broadcast["topic"]
        for topic_filter, subscriptions in list(self._subscriptions.items()):
            if not self._matches(topic, topic_filter):
                continue
            for session, subscribed_qos in list(subscriptions):
                if not may(session.client_id or "", topic, Use.RECEIVE):
                    continue
                message = RetainedApplicationMessage(
                    broadcast["session"], topic, broadcast["data"], broadcast.get("qos", subscribed_qos)
                )
                handler = self._get_handler(session)
                if session.transitions.state == "connected" and handler is not None:
                    self._send(handler, message, message.qos or 0, retain=False)
                elif not session.clean_session and message.qos:
                    await session.retained_messages.put(message)


def certificate_name(connection: ssl.SSLObject | None) -> str | None:
    """Return the common name of a client's certificate."""
    certificate = connection.getpeercert(binary_form=True) if connection is not None else None
    if certificate is None:
        return None
    names = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else None


def listener(*, host: str, port: int, pki: Path) -> ListenerConfig:
    """Return the listener with the broker's own certificate and the organization's CA."""
    return ListenerConfig(
        type=ListenerType.TCP,
        bind=f"{host}:{port}",
        ssl=True,
        cafile=pki / "organization.pem",
        certfile=pki / "broker.pem",
        keyfile=pki / "broker.key",
    )


async def serve() -> None:
    """Serve until SIGTERM or SIGINT."""
    where = listener(
        host=os.environ["SAFESIGNAL_BROKER_HOST"],
        port=int(os.environ["SAFESIGNAL_BROKER_PORT"]),
        pki=Path(os.environ["SAFESIGNAL_BROKER_PKI"]),
    )
    broker = OrganizationBroker(where)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await broker.start()
    log.info("Listening on %s", where.bind)
    await ended.wait()
    await broker.shutdown()


def main() -> None:
    """Run the broker with logs on standard output, which the process manager keeps."""
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stdout, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    log.setLevel(logging.INFO)
    # It warns about each PUBACK after its timeout, which is harmless: a press is repeated until it is stored.
    logging.getLogger("transitions").setLevel(logging.ERROR)
    asyncio.run(serve())


if __name__ == "__main__":
    main()
