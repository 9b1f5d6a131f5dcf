"""Malformed packets of a client: each ends its own connection, and none is parsed as another packet."""

import asyncio
import ssl

import pytest

from tests.stack.school import ARRIVES, School, next_of, received_by

pytestmark = pytest.mark.stack

PUBLISH, SUBSCRIBE, CONNECT, RESERVED = 0x32, 0x82, 0x10, 0xF0
CONNECTED = b"\x20\x02\x00\x00"
HALF_SIZE = 40_000
"""Two of these exceed the limit of 65,536 bytes."""


def text(value: str) -> bytes:
    return len(value).to_bytes(2, "big") + value.encode()


def packet(kind: int, body: bytes) -> bytes:
    length, head = len(body), bytearray()
    while True:
        head.append(length & 0x7F | (0x80 if length > 0x7F else 0))
        length >>= 7
        if not length:
            return bytes([kind]) + bytes(head) + body


def publish(topic: str, payload: bytes, packet_id: int = 1) -> bytes:
    return packet(PUBLISH, text(topic) + packet_id.to_bytes(2, "big") + payload)


def connect(name: str) -> bytes:
    return packet(CONNECT, text("MQTT") + b"\x04\x02\x00\x3c" + text(name))


def crafted(name: str) -> dict[str, bytes]:
    """Build packets with a fault followed by a complete PUBLISH to a topic that the client may use."""
    hidden = publish(f"ss/v1/d/{name}/alert", b"hidden", packet_id=2)
    stuffing = hidden * (HALF_SIZE // len(hidden))
    return {
        "oversize": publish(f"ss/v1/d/{name}/alert", stuffing + stuffing),
        "oversize topic": packet(PUBLISH, b"\xff\xff" + stuffing + stuffing),
        "length of five bytes": bytes([PUBLISH]) + b"\xff\xff\xff\xff\x01" + hidden * 10,
        "topic longer than its packet": packet(PUBLISH, b"\x00\x40short") + hidden * 10,
        "wildcard in the topic": publish("ss/v1/d/+/alert", stuffing),
        "reserved type": packet(RESERVED, hidden),
        "second connect": connect(name) + hidden,
        "subscription cut short": packet(SUBSCRIBE, b"\x00\x05\x00\x40" + b"ss") + hidden * 10,
    }


@pytest.mark.parametrize("fault", sorted(crafted("ss-any")))
async def test_malformed_packet_ends_connection_before_body_is_parsed(school: School, fault: str) -> None:
    liar, honest = school.button(0), school.button(1)
    context = ssl.create_default_context(cafile=str(school.certificates / "root.pem"))
    context.load_cert_chain(liar.certificate, liar.key)
    async with (
        school.client(school.gateway()) as gateway,
        school.client(honest) as other,
        received_by(gateway, "ss/v1/d/+/alert") as presses,
    ):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", school.port, ssl=context, server_hostname="localhost"
        )
        writer.write(connect(liar.name))
        assert await reader.readexactly(len(CONNECTED)) == CONNECTED
        writer.write(crafted(liar.name)[fault])
        async with asyncio.timeout(ARRIVES):
            assert await ended(reader)
        writer.transport.abort()
        await other.publish(f"ss/v1/d/{honest.name}/alert", b"honest", qos=1)
        assert (await next_of(presses)).payload == b"honest"


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the broker closes the connection, with or without a response."""
    try:
        while await reader.read(4096):
            pass
    except OSError:
        pass
    return True
