"""The building's broker as shipped: a real Mosquitto with the files of deploy/mosquitto on a free local port."""

import asyncio
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest

ROOT = Path(__file__).resolve().parents[2]
GATEWAY_OF_ANOTHER_BUILDING = "gateway-019376d0-0000-7000-8000-000000000000"
A, B = "ss-00000000000a", "ss-00000000000b"
DEADLINE_SECONDS = 20.0

pytestmark = pytest.mark.slow


def certify(folder: Path, authority: str, name: str) -> None:
    """Create a client certificate with the common name `name`."""
    key, request, serial = f"{name}_key.pem", f"{name}.csr", str(time.time_ns())
    signer = ["-CA", f"{authority}.pem", "-CAkey", f"authority/{authority}_key.pem", "-set_serial", serial]
    for command in (
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key],
        ["openssl", "req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request],
        ["openssl", "x509", "-req", "-in", request, *signer, "-days", "1", "-out", f"{name}.pem"],
    ):
        subprocess.run(command, check=True, cwd=folder, capture_output=True)


class Broker:
    """A Mosquitto process with its data folder."""

    def __init__(self, folder: Path, secrets: Path, gateway_id: str) -> None:
        self.folder, self.secrets, self.gateway_id = folder, secrets, gateway_id
        self.process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        conf = (ROOT / "deploy" / "mosquitto" / "mosquitto.conf").read_text()
        conf = conf.replace("listener 8883", f"listener {self.port} 127.0.0.1")
        conf = conf.replace("/run/secrets/", f"{secrets}/").replace("/mosquitto/", f"{folder}/")
        # Started by root it would switch to a user that cannot read a test's folders.
        (folder / "mosquitto.conf").write_text(f"{conf}user root\n" if os.geteuid() == 0 else conf)

    def start(self) -> None:
        environment = {
            "PATH": f"{os.environ['PATH']}:/usr/sbin",
            "SAFESIGNAL_EDGE_GATEWAY_ID": self.gateway_id,
            "ACL_TEMPLATE": str(ROOT / "deploy" / "mosquitto" / "acl.template"),
            "MOSQUITTO_CONF": str(self.folder / "mosquitto.conf"),
            "RUN_DIR": str(self.folder / "run"),
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [ROOT / "deploy" / "mosquitto" / "start.sh"], env=environment, stdout=log, stderr=log
            )
        until = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        pytest.fail(f"the broker did not come up: {(self.folder / 'log').read_text()}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(DEADLINE_SECONDS)

    def context(self, name: str | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.secrets / "mqtt_ca.pem"))
        if name is not None:
            context.load_cert_chain(self.secrets / f"{name}.pem", self.secrets / f"{name}_key.pem")
        return context

    @asynccontextmanager
    async def client(self, name: str | None, *, clean: bool = True) -> AsyncIterator[aiomqtt.Client]:
        """Return a client of this broker with the certificate `name`."""
        async with aiomqtt.Client(
            "localhost",
            self.port,
            tls_context=self.context(name),
            identifier="whatever-it-says",
            clean_session=clean,
            protocol=aiomqtt.ProtocolVersion.V311,
            timeout=DEADLINE_SECONDS,
            max_inflight_messages=1000,
        ) as client:
            yield client


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (apt-get install openssl)")
    folder = tmp_path_factory.mktemp("broker") / "secrets"
    subprocess.run([ROOT / "deploy" / "make-secrets.sh", folder, "localhost"], check=True, capture_output=True)
    for name in (A, B, GATEWAY_OF_ANOTHER_BUILDING):
        certify(folder, "mqtt_ca", name)
    certify(folder, "ingress_ca", "ss-stranger")
    return folder


@pytest.fixture
def gateway_id(secrets: Path) -> str:
    lines = (secrets / "compose.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)["SAFESIGNAL_EDGE_GATEWAY_ID"]


@pytest.fixture
def broker(tmp_path: Path, secrets: Path, gateway_id: str) -> Iterator[Broker]:
    if shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    for name in ("run", "data"):
        (tmp_path / name).mkdir()
    broker = Broker(tmp_path, secrets, gateway_id)
    broker.start()
    yield broker
    broker.end()


async def until(client: aiomqtt.Client, last: bytes) -> list[tuple[str, bytes]]:
    """Return the messages that the client receives, up to the one whose body is `last`."""
    heard: list[tuple[str, bytes]] = []
    async with asyncio.timeout(DEADLINE_SECONDS):
        async for message in client.messages:
            heard.append((str(message.topic), bytes(message.payload)))
            if message.payload == last:
                return heard
    raise AssertionError("the connection ended")


def answer(broker: Broker, name: str | None, *, tls: bool = True) -> bytes:
    """Return the response to a CONNECT (MQTT 3.1.1, 3.1) with the certificate `name`; empty if the broker hangs up."""
    with socket.create_connection(("127.0.0.1", broker.port), timeout=DEADLINE_SECONDS) as plain:
        try:
            stream = broker.context(name).wrap_socket(plain, server_hostname="localhost") if tls else plain
            stream.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x")
            return stream.recv(4)
        except (ssl.SSLError, ConnectionError):
            return b""


def test_only_certificates_of_this_authority_are_accepted(broker: Broker) -> None:
    assert answer(broker, A) == b"\x20\x02\x00\x00"
    assert answer(broker, None) == b""
    assert answer(broker, "ss-stranger") == b""
    assert answer(broker, A, tls=False) == b""


async def test_press_reaches_only_the_gateway(broker: Broker) -> None:
    async with (
        broker.client("mqtt_gateway") as gateway,
        broker.client(GATEWAY_OF_ANOTHER_BUILDING) as stranger,
        broker.client(A) as a,
        broker.client(B) as b,
    ):
        for client in (gateway, stranger, b):
            await client.subscribe("ss/v1/#", qos=1)
        await a.publish(f"ss/v1/d/{A}/alert", b"press", qos=1)
        assert await until(gateway, b"press") == [(f"ss/v1/d/{A}/alert", b"press")]
        # Messages delivered to the others would have come before these in their queues.
        await gateway.publish(f"ss/v1/d/{B}/ack", b"for b", qos=1)
        assert await until(b, b"for b") == [(f"ss/v1/d/{B}/ack", b"for b")]
        await gateway.publish(f"ss/v1/d/{GATEWAY_OF_ANOTHER_BUILDING}/ack", b"end", qos=1)
        assert [body for _, body in await until(stranger, b"end")] == [b"end"]


async def test_button_can_publish_only_for_itself(broker: Broker) -> None:
    async with broker.client("mqtt_gateway") as gateway, broker.client(A) as a, broker.client(B) as b:
        await gateway.subscribe("ss/v1/#", qos=1)
        await b.subscribe("ss/v1/#", qos=1)
        for topic in (
            f"ss/v1/d/{B}/alert",
            f"ss/v1/d/{B}/state",
            f"ss/v1/d/{A}/ack",
            f"ss/v1/d/{B}/ack",
            f"ss/v1/d/{A}/cmd",
            "ss/v1/pa/any/play",
            "ss/v1/anything",
        ):
            await a.publish(topic, b"forged", qos=1)
        await a.publish(f"ss/v1/d/{A}/cmd/result", b"own", qos=1)
        assert await until(gateway, b"own") == [(f"ss/v1/d/{A}/cmd/result", b"own")]
        await gateway.publish(f"ss/v1/d/{B}/cmd", b"end", qos=1)
        assert await until(b, b"end") == [(f"ss/v1/d/{B}/cmd", b"end")]


async def test_health_check_receives_the_uptime_but_no_press(broker: Broker) -> None:
    async with broker.client("mqtt_health") as health, broker.client(A) as a:
        await health.subscribe("ss/v1/#", qos=1)
        await a.publish(f"ss/v1/d/{A}/alert", b"press", qos=1)
        await health.subscribe("$SYS/broker/#", qos=0)
        async with asyncio.timeout(DEADLINE_SECONDS):
            async for message in health.messages:
                assert str(message.topic) == "$SYS/broker/uptime"
                break


async def test_presses_are_queued_for_an_offline_gateway_across_a_kill(broker: Broker) -> None:
    count = 1500  # more than the broker's default queue of 1,000
    async with broker.client("mqtt_gateway", clean=False) as gateway:
        await gateway.subscribe("ss/v1/d/+/#", qos=1)
    async with broker.client(A) as a:
        await asyncio.gather(*(a.publish(f"ss/v1/d/{A}/alert", b"%d" % number, qos=1) for number in range(count)))
    saved = broker.folder / "data" / "mosquitto.db"
    published = time.time()
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not saved.exists() or saved.stat().st_mtime <= published:
            await asyncio.sleep(0.05)
    broker.end(signal.SIGKILL)
    broker.start()
    heard: set[bytes] = set()
    async with broker.client("mqtt_gateway", clean=False) as gateway, asyncio.timeout(DEADLINE_SECONDS):
        async for message in gateway.messages:
            heard.add(bytes(message.payload))
            if len(heard) == count:
                break
    assert heard == {b"%d" % number for number in range(count)}


@pytest.mark.parametrize("wrong", ["", "+", "#", "ss-a", "019376D0-0000-7000-8000-000000000000", "x\ntopic read #"])
def test_invalid_gateway_id_prevents_the_start(tmp_path: Path, wrong: str) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "SAFESIGNAL_EDGE_GATEWAY_ID": wrong,
        "ACL_TEMPLATE": str(ROOT / "deploy" / "mosquitto" / "acl.template"),
        "MOSQUITTO_CONF": "/dev/null",
        "RUN_DIR": str(tmp_path),
    }
    refused = subprocess.run([ROOT / "deploy" / "mosquitto" / "start.sh"], env=environment, check=False, timeout=10)
    assert refused.returncode != 0 and not (tmp_path / "acl").exists()
