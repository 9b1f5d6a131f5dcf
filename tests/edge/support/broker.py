"""Both real brokers: mutual TLS, the certificate's name as identity, access by topic pattern."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from devstack.testing.stack import free_ports
from tests.edge.support.authority import Authority
from tests.kit.patience import WAIT_SECONDS

ROOT = Path(__file__).parents[3]
MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
RIGHTS = ROOT / "deploy" / "mosquitto" / "acl.template"


class Broker:
    """A broker process; `stop` and `start` keep its port."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_ports(1)[0]
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> tuple[list[str], dict[str, str]]:
        raise NotImplementedError

    def start(self) -> None:
        command, environment = self.command()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment})
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError((self.folder / "log").read_text())

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(WAIT_SECONDS)
            self._process = None


class Mosquitto(Broker):
    """Mosquitto, configured as in a building."""

    def __init__(self, folder: Path, authority: Authority, gateway: str) -> None:
        super().__init__(folder)
        server = authority.issue("broker")
        rights = folder / "acl"
        shipped = RIGHTS.read_text().replace("gateway-@GATEWAY_ID@", gateway)
        rights.write_text(f"{shipped}\nuser gateway-speaker\ntopic read ss/v1/pa/+/play\n")
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\nrequire_certificate true\n"
            f"use_identity_as_username true\ncafile {authority.certificate}\ncertfile {server.cert}\n"
            f"keyfile {server.key}\nacl_file {rights}\nmax_queued_messages 100000\nmax_inflight_messages 1000\n"
            f"set_tcp_nodelay true\npersistence true\npersistence_location {folder}/\nautosave_interval 1\nuser root\n"
        )

    def command(self) -> tuple[list[str], dict[str, str]]:
        return [MOSQUITTO, "-c", str(self.folder / "mosquitto.conf")], {}


class Embedded(Broker):
    """The embedded broker of `./dev up`, used where Mosquitto is not installed."""

    def __init__(self, folder: Path, authority: Authority, gateway: str) -> None:
        super().__init__(folder)
        assert gateway.startswith("gateway-")
        server = authority.issue("broker")
        for name, source in (
            ("organization.pem", authority.certificate),
            ("broker.pem", server.cert),
            ("broker.key", server.key),
        ):
            shutil.copy(source, folder / name)

    def command(self) -> tuple[list[str], dict[str, str]]:
        return [sys.executable, "-m", "devstack.broker.server"], {
            "PYTHONPATH": str(ROOT),
            "SAFESIGNAL_BROKER_HOST": "127.0.0.1",
            "SAFESIGNAL_BROKER_PORT": str(self.port),
            "SAFESIGNAL_BROKER_PKI": str(self.folder),
        }
