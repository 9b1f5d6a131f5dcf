"""Mosquitto as a building runs it: mutual TLS, the certificate's name as identity, rights by pattern."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

from edge.support.authority import Authority

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
RIGHTS = """
pattern write ss/v1/d/%u/alert
pattern write ss/v1/d/%u/health
pattern write ss/v1/d/%u/state
pattern read ss/v1/d/%u/ack
pattern read ss/v1/d/%u/cmd
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Mosquitto:
    """A real broker; `stop` and `start` again keep the port and the sessions."""

    def __init__(self, folder: Path, authority: Authority, gateway: str) -> None:
        self.port = free_port()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        server = authority.issue("broker")
        rights = folder / "acl"
        rights.write_text(
            f"user {gateway}\ntopic read ss/v1/d/+/#\ntopic write ss/v1/d/+/ack\ntopic write ss/v1/pa/+/play\n"
            f"user speaker\ntopic read ss/v1/pa/+/play\n{RIGHTS}"
        )
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\nrequire_certificate true\n"
            f"use_identity_as_username true\ncafile {authority.certificate}\ncertfile {server.cert}\n"
            f"keyfile {server.key}\nacl_file {rights}\nmax_queued_messages 100000\nmax_inflight_messages 1000\n"
            f"set_tcp_nodelay true\npersistence true\npersistence_location {folder}/\nautosave_interval 1\nuser root\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._folder / "mosquitto.conf")], stdout=log, stderr=log, close_fds=True
        )
        log.close()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError((self._folder / "log").read_text())

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None
