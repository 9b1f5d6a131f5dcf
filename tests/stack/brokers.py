"""Runs one of the two brokers as a process: the embedded one, or Mosquitto as in a building."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.machine.paths import ROOT
from devstack.testing.stack import free_ports
from tests.edge.support.process import FAKETIME
from tests.kit.patience import WAIT_SECONDS

GATEWAY_ID = "0198f2c4-6a10-7001-9c41-5d2e8f7a0001"


def system_clock(time: str | None) -> dict[str, str]:
    """Return the environment of a process with this system clock (faketime(1)); None: the correct time."""
    if time is None:
        return {}
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME": time, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@contextmanager
def amqtt(pki: Path, folder: Path, time: str | None = None) -> Iterator[int]:
    """Run `python -m devstack.broker.server`."""
    (port,) = free_ports(1)
    environment = {
        **os.environ,
        **system_clock(time),
        "PYTHONPATH": str(ROOT),
        "SAFESIGNAL_BROKER_HOST": "127.0.0.1",
        "SAFESIGNAL_BROKER_PORT": str(port),
        "SAFESIGNAL_BROKER_PKI": str(pki),
    }
    with running([sys.executable, "-m", "devstack.broker.server"], environment, port, folder / "amqtt.log"):
        yield port


def mosquitto_binary() -> str | None:
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def mosquitto(pki: Path, folder: Path, time: str | None = None) -> Iterator[int]:
    """Run Mosquitto with the shipped configuration and access list of deploy/, with other paths."""
    binary = mosquitto_binary()
    assert binary is not None
    (port,) = free_ports(1)
    shipped = ROOT / "deploy" / "mosquitto"
    access = folder / "acl"
    access.write_text((shipped / "acl.template").read_text().replace("@GATEWAY_ID@", GATEWAY_ID))
    access.chmod(0o600)
    configuration = (shipped / "mosquitto.conf").read_text()
    for old, new in (
        ("listener 8883", f"listener {port} 127.0.0.1"),
        ("/run/secrets/mqtt_ca.pem", str(pki / "organization.anchor.pem")),
        ("/run/secrets/mqtt_server.pem", str(pki / "broker.pem")),
        ("/run/secrets/mqtt_server_key.pem", str(pki / "broker.key")),
        ("/mosquitto/run/acl", str(access)),
        ("/mosquitto/data/", f"{folder}/"),
    ):
        assert old in configuration
        configuration = configuration.replace(old, new)
    # As root, Mosquitto would switch to a user who cannot read a test's folder.
    (folder / "mosquitto.conf").write_text(f"user root\n{configuration}")
    with running(
        [binary, "-c", str(folder / "mosquitto.conf")],
        {**os.environ, **system_clock(time)},
        port,
        folder / "mosquitto.log",
    ):
        yield port


@contextmanager
def running(command: list[str], environment: dict[str, str] | None, port: int, log: Path) -> Iterator[None]:
    """Run a process from the time when its port responds."""
    with log.open("wb") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process:
        try:
            deadline = time.monotonic() + WAIT_SECONDS
            while not answers(port):
                assert process.poll() is None, f"{command[0]} ended: {log.read_text()}"
                assert time.monotonic() < deadline, f"{command[0]} is not listening: {log.read_text()}"
                time.sleep(0.02)
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
