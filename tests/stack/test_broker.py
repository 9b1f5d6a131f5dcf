"""Access control of the broker, the same for the embedded one and for Mosquitto."""

import asyncio
import contextlib
import ssl
from pathlib import Path

import aiomqtt
import pytest

from devstack.machine import pki
from tests.kit.patience import WAIT_SECONDS
from tests.stack.school import School, next_of, received_by

pytestmark = pytest.mark.stack

ACCEPTED = b"\x20\x02\x00\x00"


async def is_refused(school: School, identity: pki.Identity | None, *, tls: bool = True) -> bool:
    """Whether the broker rejects this client, at the handshake or with its first response."""
    try:
        writer, answer = await connect_by_hand(school, identity, tls=tls)
    except TimeoutError:
        raise
    except (OSError, asyncio.IncompleteReadError):
        return True
    writer.transport.abort()
    return answer != ACCEPTED


async def test_gateway_receives_press_and_button_receives_confirmation(school: School) -> None:
    button = school.button(0)
    async with (
        school.client(school.gateway()) as gateway,
        school.client(button) as pressed,
        received_by(gateway, "ss/v1/d/+/alert") as presses,
        received_by(pressed, f"ss/v1/d/{button.name}/ack") as acks,
    ):
        await pressed.publish(f"ss/v1/d/{button.name}/alert", b"press", qos=1)
        message = await next_of(presses)
        assert (str(message.topic), message.payload) == (f"ss/v1/d/{button.name}/alert", b"press")
        await gateway.publish(f"ss/v1/d/{button.name}/ack", b"stored", qos=1)
        assert (await next_of(acks)).payload == b"stored"


async def test_client_without_certificate_is_refused(school: School) -> None:
    assert await is_refused(school, None)


async def test_certificate_of_unknown_authority_is_refused(school: School, tmp_path: Path) -> None:
    pki.make_pki(tmp_path, buttons=1)
    stranger = pki.button_identity(tmp_path, pki.device_ids(tmp_path)[0])
    assert await is_refused(school, stranger)


async def test_certificate_of_other_school_is_refused(school: School, tmp_path: Path) -> None:
    """That CA has the same root, and the client sends its whole chain."""
    pki.make_pki(tmp_path, buttons=1, root=pki.load_authority(school.certificates / "root"))
    neighbour = pki.button_identity(tmp_path, pki.device_ids(tmp_path)[0])
    with neighbour.certificate.open("ab") as file:
        file.write((tmp_path / "organization.pem").read_bytes())
    assert await is_refused(school, neighbour)


async def test_server_certificate_is_refused_for_client(school: School) -> None:
    """A server certificate of the right CA does not authenticate a client."""
    broker = pki.Identity("localhost", school.certificates / "broker.pem", school.certificates / "broker.key")
    assert await is_refused(school, broker)


async def test_plain_tcp_is_refused(school: School) -> None:
    assert await is_refused(school, None, tls=False)


async def test_old_tls_is_refused(school: School) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(school.certificates / "root.pem")
    identity = school.button(0)
    context.load_cert_chain(identity.certificate, identity.key)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, OSError)):
        await asyncio.open_connection("127.0.0.1", school.port, ssl=context, server_hostname="localhost")


async def test_button_cannot_press_for_other_button(school: School) -> None:
    """The forged press is not delivered; a valid one after it is, so the forged one is not just delayed."""
    liar, other = school.button(0), school.button(1)
    async with (
        school.client(school.gateway()) as gateway,
        school.client(liar) as client,
        received_by(gateway, "ss/v1/d/+/alert") as presses,
    ):
        with contextlib.suppress(aiomqtt.MqttError):
            await client.publish(f"ss/v1/d/{other.name}/alert", b"forged", qos=1)
        await client.publish(f"ss/v1/d/{liar.name}/alert", b"own", qos=1)
        assert (await next_of(presses)).payload == b"own"


async def test_button_cannot_confirm_for_gateway(school: School) -> None:
    liar, other = school.button(0), school.button(1)
    async with (
        school.client(school.gateway()) as gateway,
        school.client(other) as victim,
        school.client(liar) as client,
        received_by(victim, f"ss/v1/d/{other.name}/ack") as acks,
    ):
        for name in (other.name, liar.name):
            await client.publish(f"ss/v1/d/{name}/ack", b"forged", qos=1)
        # Once a later message is answered, the broker has read all messages of the attacker's connection.
        await client.publish(f"ss/v1/d/{liar.name}/health", b"{}", qos=1)
        await gateway.publish(f"ss/v1/d/{other.name}/ack", b"honest", qos=1)
        assert (await next_of(acks)).payload == b"honest"


async def test_button_receives_no_messages_of_others(school: School) -> None:
    """Neither by wildcard nor by name; and no retained messages of others on connect."""
    curious, other = school.button(2), school.button(3)
    async with school.client(other) as client:
        await client.publish(f"ss/v1/d/{other.name}/state", b"online", qos=1, retain=True)
    async with (
        school.client(school.gateway()) as gateway,
        school.client(curious) as client,
        received_by(gateway, "ss/v1/d/+/#"),
        received_by(client) as received,
    ):
        for topic in ("#", "ss/v1/d/+/#", f"ss/v1/d/{other.name}/state", f"ss/v1/d/{other.name}/ack"):
            with contextlib.suppress(aiomqtt.MqttError):
                await client.subscribe(topic, qos=1)
        await client.subscribe(f"ss/v1/d/{curious.name}/ack", qos=1)
        await gateway.publish(f"ss/v1/d/{other.name}/ack", b"not for you", qos=1)
        await gateway.publish(f"ss/v1/d/{curious.name}/ack", b"for you", qos=1)
        assert (await next_of(received)).payload == b"for you"


async def test_will_for_other_button_is_refused(school: School) -> None:
    liar, other = school.button(0), school.button(1)
    forged = aiomqtt.Will(f"ss/v1/d/{other.name}/alert", b"forged", qos=1)
    async with school.client(school.gateway()) as gateway, received_by(gateway, "ss/v1/d/+/alert") as presses:
        writer, _refused_or_not = await connect_by_hand(school, liar, forged, keepalive=60)
        writer.transport.abort()
        async with school.client(liar) as client:
            await client.publish(f"ss/v1/d/{liar.name}/alert", b"own", qos=1)
        assert (await next_of(presses)).payload == b"own"


async def test_client_id_of_other_client_gives_no_access(school: School) -> None:
    """With B's client id, A gets neither B's session nor B's messages, and B's connection continues."""
    a, b = school.button(0), school.button(1)
    async with school.client(b, clean=False) as victim, received_by(victim, f"ss/v1/d/{b.name}/ack") as acks:
        with contextlib.suppress(aiomqtt.MqttError):
            async with school.client(a, client_id=b.name, clean=False) as thief, received_by(thief) as stolen:
                async with school.client(school.gateway()) as gateway:
                    await gateway.publish(f"ss/v1/d/{b.name}/ack", b"secret", qos=1)
                    assert (await next_of(acks)).payload == b"secret"
                assert stolen.empty()
        async with school.client(school.gateway()) as gateway:
            await gateway.publish(f"ss/v1/d/{b.name}/ack", b"still here", qos=1)
        payloads = [(await next_of(acks)).payload]
        while not acks.empty():
            payloads.append(acks.get_nowait().payload)
        assert payloads[-1] == b"still here"


async def test_messages_for_absent_gateway_are_queued_without_retain_flag(school: School) -> None:
    """The session is persistent; a retain flag would make the gateway treat the press as an old one."""
    button = school.button(0)
    async with school.client(school.gateway(), clean=False) as gateway:
        await gateway.subscribe("ss/v1/d/+/alert", qos=1)
    async with school.client(button) as client:
        await client.publish(f"ss/v1/d/{button.name}/alert", b"meanwhile", qos=1)
    async with school.client(school.gateway(), clean=False) as gateway, received_by(gateway) as presses:
        message = await next_of(presses)
        assert (message.payload, message.retain) == (b"meanwhile", False)
    await forget_session(school)


async def forget_session(school: School) -> None:
    """End the persistent session with a clean one, so that the next test starts without its subscriptions."""
    async with school.client(school.gateway()) as gateway:
        await gateway.unsubscribe("ss/v1/d/+/alert")


async def test_second_gateway_connection_takes_over(school: School) -> None:
    """The first connection is half open; the second must receive messages."""
    button = school.button(0)
    first = school.client(school.gateway(), clean=False)
    async with first as half_open:
        await half_open.subscribe("ss/v1/d/+/alert", qos=1)
        async with (
            school.client(school.gateway(), clean=False) as gateway,
            received_by(gateway, "ss/v1/d/+/alert") as presses,
        ):
            async with school.client(button) as client:
                await client.publish(f"ss/v1/d/{button.name}/alert", b"hello", qos=1)
            assert (await next_of(presses)).payload == b"hello"
        with contextlib.suppress(aiomqtt.MqttError):
            await half_open.unsubscribe("ss/v1/d/+/alert")
    await forget_session(school)


async def test_state_is_retained(school: School) -> None:
    button = school.button(0)
    async with school.client(button) as client:
        await client.publish(f"ss/v1/d/{button.name}/state", b"online", qos=1, retain=True)
    async with (
        school.client(school.gateway()) as gateway,
        received_by(gateway, f"ss/v1/d/{button.name}/state") as states,
    ):
        message = await next_of(states)
        assert (message.payload, message.retain) == (b"online", True)


async def test_silent_button_is_reported_offline(school: School) -> None:
    """The last will is sent after 1.5 times keep alive of silence on an open connection."""
    button = school.button(1)
    will = aiomqtt.Will(f"ss/v1/d/{button.name}/state", b"offline", qos=1, retain=True)
    async with (
        school.client(school.gateway()) as gateway,
        received_by(gateway, f"ss/v1/d/{button.name}/state") as states,
    ):
        silent, answer = await connect_by_hand(school, button, will, keepalive=1)
        try:
            assert answer == ACCEPTED
            assert (await next_of(states)).payload == b"offline"
        finally:
            silent.transport.abort()


async def connect_by_hand(
    school: School,
    identity: pki.Identity | None,
    will: aiomqtt.Will | None = None,
    *,
    keepalive: int = 60,
    tls: bool = True,
) -> tuple[asyncio.StreamWriter, bytes]:
    """Send CONNECT and nothing else; return the connection and the broker's response.

    Raises OSError or IncompleteReadError without a response.
    """
    context = ssl.create_default_context(cafile=str(school.certificates / "root.pem"))
    if identity is not None:
        context.load_cert_chain(identity.certificate, identity.key)
    async with asyncio.timeout(WAIT_SECONDS):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", school.port, ssl=context if tls else None, server_hostname="localhost" if tls else None
        )
        flags, strings = 0x02, [(identity.name if identity else "anonymous").encode()]  # clean session
        if will is not None:
            assert isinstance(will.payload, bytes)
            flags |= 0x04 | (1 << 3) | 0x20  # will, QoS 1, retained
            strings += [will.topic.encode(), will.payload]
        body = b"\x00\x04MQTT\x04" + bytes([flags]) + keepalive.to_bytes(2, "big")
        body += b"".join(len(text).to_bytes(2, "big") + text for text in strings)
        writer.write(b"\x10" + bytes([len(body)]) + body)
        return writer, await reader.readexactly(4)
