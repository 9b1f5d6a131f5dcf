"""Who gets into the broker, and what they may hear and say there: the same for the embedded one and for Mosquitto."""

import asyncio
import contextlib
import ssl
from pathlib import Path

import aiomqtt
import pytest

from devstack import pki
from tests.patience import WAIT_SECONDS
from tests.stack.school import School, heard_by, next_of

pytestmark = pytest.mark.stack

ACCEPTED = b"\x20\x02\x00\x00"


async def is_refused(school: School, identity: pki.Identity | None, *, tls: bool = True) -> bool:
    """Whether the broker turns this client away, at the handshake or with its first answer."""
    try:
        writer, answer = await connect_by_hand(school, identity, tls=tls)
    except TimeoutError:
        raise
    except (OSError, asyncio.IncompleteReadError):
        return True
    writer.transport.abort()
    return answer != ACCEPTED


async def test_a_button_is_heard_by_the_gateway_and_hears_its_answer(school: School) -> None:
    button = school.button(0)
    async with (
        school.client(school.gateway()) as gateway,
        school.client(button) as pressed,
        heard_by(gateway, "ss/v1/d/+/alert") as presses,
        heard_by(pressed, f"ss/v1/d/{button.name}/ack") as acks,
    ):
        await pressed.publish(f"ss/v1/d/{button.name}/alert", b"press", qos=1)
        message = await next_of(presses)
        assert (str(message.topic), message.payload) == (f"ss/v1/d/{button.name}/alert", b"press")
        await gateway.publish(f"ss/v1/d/{button.name}/ack", b"stored", qos=1)
        assert (await next_of(acks)).payload == b"stored"


async def test_without_a_certificate_nobody_gets_in(school: School) -> None:
    assert await is_refused(school, None)


async def test_a_certificate_of_another_authority_is_refused(school: School, tmp_path: Path) -> None:
    pki.make_pki(tmp_path, buttons=1)
    stranger = pki.button_identity(tmp_path, pki.device_ids(tmp_path)[0])
    assert await is_refused(school, stranger)


async def test_a_certificate_of_another_school_is_refused(school: School, tmp_path: Path) -> None:
    """Its authority has the same root; and it shows its whole chain."""
    pki.make_pki(tmp_path, buttons=1, root=pki.load_authority(school.certificates / "root"))
    neighbour = pki.button_identity(tmp_path, pki.device_ids(tmp_path)[0])
    with neighbour.certificate.open("ab") as file:
        file.write((tmp_path / "organization.pem").read_bytes())
    assert await is_refused(school, neighbour)


async def test_the_brokers_own_certificate_opens_nothing(school: School) -> None:
    """A leaf for servers, from the right authority, is no client."""
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


async def test_a_button_cannot_press_for_another(school: School) -> None:
    """The forged press is not delivered; an honest one after it is, so the forged one was not just slow."""
    liar, other = school.button(0), school.button(1)
    async with (
        school.client(school.gateway()) as gateway,
        school.client(liar) as client,
        heard_by(gateway, "ss/v1/d/+/alert") as presses,
    ):
        with contextlib.suppress(aiomqtt.MqttError):
            await client.publish(f"ss/v1/d/{other.name}/alert", b"forged", qos=1)
        await client.publish(f"ss/v1/d/{liar.name}/alert", b"own", qos=1)
        assert (await next_of(presses)).payload == b"own"


async def test_a_button_cannot_answer_for_the_gateway(school: School) -> None:
    liar, other = school.button(0), school.button(1)
    async with (
        school.client(school.gateway()) as gateway,
        school.client(other) as victim,
        school.client(liar) as client,
        heard_by(victim, f"ss/v1/d/{other.name}/ack") as acks,
    ):
        for name in (other.name, liar.name):
            await client.publish(f"ss/v1/d/{name}/ack", b"forged", qos=1)
        # The last word of the liar's connection has been read by the broker once this one was answered.
        await client.publish(f"ss/v1/d/{liar.name}/health", b"{}", qos=1)
        await gateway.publish(f"ss/v1/d/{other.name}/ack", b"honest", qos=1)
        assert (await next_of(acks)).payload == b"honest"


async def test_a_button_hears_nothing_of_others(school: School) -> None:
    """Neither by a wildcard nor by name; and nothing retained of others when it connects."""
    curious, other = school.button(2), school.button(3)
    async with school.client(other) as client:
        await client.publish(f"ss/v1/d/{other.name}/state", b"online", qos=1, retain=True)
    async with (
        school.client(school.gateway()) as gateway,
        school.client(curious) as client,
        heard_by(gateway, "ss/v1/d/+/#"),
        heard_by(client) as heard,
    ):
        for topic in ("#", "ss/v1/d/+/#", f"ss/v1/d/{other.name}/state", f"ss/v1/d/{other.name}/ack"):
            with contextlib.suppress(aiomqtt.MqttError):
                await client.subscribe(topic, qos=1)
        await client.subscribe(f"ss/v1/d/{curious.name}/ack", qos=1)
        await gateway.publish(f"ss/v1/d/{other.name}/ack", b"not for you", qos=1)
        await gateway.publish(f"ss/v1/d/{curious.name}/ack", b"for you", qos=1)
        assert (await next_of(heard)).payload == b"for you"


async def test_a_will_cannot_speak_for_another(school: School) -> None:
    liar, other = school.button(0), school.button(1)
    forged = aiomqtt.Will(f"ss/v1/d/{other.name}/alert", b"forged", qos=1)
    async with school.client(school.gateway()) as gateway, heard_by(gateway, "ss/v1/d/+/alert") as presses:
        writer, _refused_or_not = await connect_by_hand(school, liar, forged, keepalive=60)
        writer.transport.abort()
        async with school.client(liar) as client:
            await client.publish(f"ss/v1/d/{liar.name}/alert", b"own", qos=1)
        assert (await next_of(presses)).payload == b"own"


async def test_another_clients_id_is_of_no_use(school: School) -> None:
    """With B's client id, A gets neither B's session nor B's messages, and B's connection goes on."""
    a, b = school.button(0), school.button(1)
    async with school.client(b, clean=False) as victim, heard_by(victim, f"ss/v1/d/{b.name}/ack") as acks:
        with contextlib.suppress(aiomqtt.MqttError):
            async with school.client(a, client_id=b.name, clean=False) as thief, heard_by(thief) as stolen:
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


async def test_what_came_while_the_gateway_was_away_is_kept_and_not_marked_retained(school: School) -> None:
    """A persistent session; a retained flag on a press would make the gateway take it for an old one."""
    button = school.button(0)
    async with school.client(school.gateway(), clean=False) as gateway:
        await gateway.subscribe("ss/v1/d/+/alert", qos=1)
    async with school.client(button) as client:
        await client.publish(f"ss/v1/d/{button.name}/alert", b"meanwhile", qos=1)
    async with school.client(school.gateway(), clean=False) as gateway, heard_by(gateway) as presses:
        message = await next_of(presses)
        assert (message.payload, message.retain) == (b"meanwhile", False)
    await forget_session(school)


async def forget_session(school: School) -> None:
    """The next test must not begin with this one's subscriptions: a clean session ends the persistent one."""
    async with school.client(school.gateway()) as gateway:
        await gateway.unsubscribe("ss/v1/d/+/alert")


async def test_a_second_connection_of_the_gateway_takes_over_and_hears(school: School) -> None:
    """The first one is half open (its end was never seen); the second must not be deaf."""
    button = school.button(0)
    first = school.client(school.gateway(), clean=False)
    async with first as half_open:
        await half_open.subscribe("ss/v1/d/+/alert", qos=1)
        async with (
            school.client(school.gateway(), clean=False) as gateway,
            heard_by(gateway, "ss/v1/d/+/alert") as presses,
        ):
            async with school.client(button) as client:
                await client.publish(f"ss/v1/d/{button.name}/alert", b"hello", qos=1)
            assert (await next_of(presses)).payload == b"hello"
        with contextlib.suppress(aiomqtt.MqttError):
            await half_open.unsubscribe("ss/v1/d/+/alert")
    await forget_session(school)


async def test_a_state_is_retained(school: School) -> None:
    button = school.button(0)
    async with school.client(button) as client:
        await client.publish(f"ss/v1/d/{button.name}/state", b"online", qos=1, retain=True)
    async with school.client(school.gateway()) as gateway, heard_by(gateway, f"ss/v1/d/{button.name}/state") as states:
        message = await next_of(states)
        assert (message.payload, message.retain) == (b"online", True)


async def test_a_button_that_falls_silent_is_reported_offline(school: School) -> None:
    """Its last will goes out after 1.5 times keep alive without a word, though its connection was never closed."""
    button = school.button(1)
    will = aiomqtt.Will(f"ss/v1/d/{button.name}/state", b"offline", qos=1, retain=True)
    async with school.client(school.gateway()) as gateway, heard_by(gateway, f"ss/v1/d/{button.name}/state") as states:
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
    """Send CONNECT and then not one byte more; the connection, and the broker's answer.

    Raises OSError or IncompleteReadError where there is none.
    """
    context = ssl.create_default_context(cafile=str(school.certificates / "root.pem"))
    if identity is not None:
        context.load_cert_chain(identity.certificate, identity.key)
    async with asyncio.timeout(WAIT_SECONDS):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", school.port, ssl=context if tls else None, server_hostname="localhost" if tls else None
        )
        flags, strings = 0x02, [(identity.name if identity else "nobody").encode()]  # clean session
        if will is not None:
            assert isinstance(will.payload, bytes)
            flags |= 0x04 | (1 << 3) | 0x20  # will, QoS 1, retained
            strings += [will.topic.encode(), will.payload]
        body = b"\x00\x04MQTT\x04" + bytes([flags]) + keepalive.to_bytes(2, "big")
        body += b"".join(len(text).to_bytes(2, "big") + text for text in strings)
        writer.write(b"\x10" + bytes([len(body)]) + body)
        return writer, await reader.readexactly(4)
