"""Whole packets for the embedded broker: amqtt reads field by field from the stream and continues inside a packet that
it could not read, so that its body would be parsed as further packets."""

import asyncio
import logging

from amqtt.adapters import BufferReader, ReaderAdapter
from amqtt.errors import AMQTTError, ClientError, CodecError, MQTTError, NoDataError
from amqtt.mqtt import packet_class
from amqtt.mqtt.packet import (
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBSCRIBE,
    UNSUBSCRIBE,
    MQTTFixedHeader,
)
from typing_extensions import override

log = logging.getLogger("safesignal.broker")

LARGEST_PACKET = 65_536
"""Our largest packet is a configuration command of 2 KiB. deploy/mosquitto has the same limit."""
LENGTH_BYTES = 4
"""Maximum size of a packet's remaining length (MQTT 3.1.1, 2.2.3)."""
MORE_FOLLOWS = 0x80
CHUNK = 4096
OF_CLIENTS = frozenset(
    {PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT},
)
"""Packets that a connected client may send: no second CONNECT, and none reserved for the broker."""
_UNREADABLE = (
    AMQTTError,
    MQTTError,
    CodecError,
    NoDataError,
    ClientError,
    ValueError,
    IndexError,
    OverflowError,
    UnicodeDecodeError,
)


class MalformedPacketError(Exception):
    """An invalid packet, which ends its connection; the message is the reason."""


class Rate:
    """A rate limit for presses: `burst` messages at once, then `per_second`. Excess messages wait in their own
    connection, where they delay no other client."""

    def __init__(self, *, per_second: float, burst: int) -> None:
        self._per_second, self._burst = per_second, float(burst)
        self._left, self._at = self._burst, asyncio.get_running_loop().time()

    async def pass_one(self) -> None:
        """Wait until another message may pass."""
        now = asyncio.get_running_loop().time()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second) - 1
        self._at = now
        if self._left < 0:
            await asyncio.sleep(-self._left / self._per_second)


class Reader(ReaderAdapter):
    """Reads a client's packets completely and validates them before amqtt does; ends silent connections."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self._stream = stream
        self._received = bytearray()
        self._packet, self._place = b"", 0
        self._connected = False
        self._rate: Rate | None = None
        self._ended = False
        self._silence: float | None = None
        self._received_at = asyncio.get_running_loop().time()

    @override
    async def read(self, n: int = -1) -> bytes:
        if self._place == len(self._packet) and not self._ended:
            await self._next_packet()
        if self._ended:
            return b""
        data = self._packet[self._place : self._place + n]
        self._place += len(data)
        return data

    @override
    def feed_eof(self) -> None:
        self._stream.feed_eof()

    def admit(self, *, keep_alive: int, rate: Rate | None) -> None:
        """Replay CONNECT for amqtt. From now on accept other packets, PUBLISH limited by `rate`, and end the connection
        after 1.5 times keep alive of silence (MQTT 3.1.1, 3.1.2.10)."""
        self._place, self._connected, self._rate = 0, True, rate
        self._silence = keep_alive * 1.5 if keep_alive > 0 else None

    async def _next_packet(self) -> None:
        try:
            packet = await self._whole()
            await self._validate(packet)
        except MalformedPacketError as error:
            log.warning("Connection closed: %s", error)
            self._ended = True
        except (TimeoutError, asyncio.IncompleteReadError, OSError):
            self._ended = True
        else:
            self._packet, self._place = packet, 0
            if packet[0] >> 4 == PUBLISH and self._rate is not None:
                await self._rate.pass_one()

    async def _whole(self) -> bytes:
        """Read the next packet. Cancellation loses nothing: received bytes are kept."""
        length, count = 0, 0
        while True:
            await self._fill(2 + count)
            byte = self._received[1 + count]
            length |= (byte & ~MORE_FOLLOWS) << 7 * count
            count += 1
            if not byte & MORE_FOLLOWS:
                break
            if count == LENGTH_BYTES:
                raise MalformedPacketError("a remaining length of more than four bytes")
        if length > LARGEST_PACKET:
            raise MalformedPacketError(f"a packet of {length} bytes")
        end = 1 + count + length
        await self._fill(end)
        packet = bytes(self._received[:end])
        del self._received[:end]
        return packet

    async def _fill(self, count: int) -> None:
        while len(self._received) < count:
            until = None if self._silence is None else self._received_at + self._silence
            async with asyncio.timeout_at(until):
                data = await self._stream.read(CHUNK)
            if not data:
                raise asyncio.IncompleteReadError(bytes(self._received), count)
            self._received += data
            self._received_at = asyncio.get_running_loop().time()

    async def _validate(self, packet: bytes) -> None:
        """Raise MalformedPacketError for a packet that amqtt would not read completely or that clients may not send."""
        kind = packet[0] >> 4
        if kind not in (OF_CLIENTS if self._connected else {CONNECT}):
            raise MalformedPacketError(f"a packet of type {kind}")
        reader = BufferReader(packet)
        try:
            header = await MQTTFixedHeader.from_stream(reader)
            read = header and await packet_class(header).from_stream(reader, fixed_header=header)
        except _UNREADABLE as error:
            raise MalformedPacketError(f"a packet of type {kind} that cannot be read: {error!r}") from error
        if read is None or await reader.read(1):
            raise MalformedPacketError(f"a packet of type {kind} that is longer than its content")
        if kind in (SUBSCRIBE, UNSUBSCRIBE) and read.to_bytes() != packet:  # amqtt accepts a truncated topic
            raise MalformedPacketError(f"a packet of type {kind} that is shorter than its content")
