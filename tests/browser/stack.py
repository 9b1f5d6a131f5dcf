"""The whole chain in a folder of its own, as `./dev up` starts it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from devstack.commands import Status
from devstack.demo import Demo
from devstack.press import Result

ROOT: Final = Path(__file__).parents[2]


@dataclass
class Stack:
    """A running SafeSignal."""

    demo: Demo
    environment: Mapping[str, str]

    def press(self, *arguments: str) -> list[Result]:
        """`./dev press --json`, to its end."""
        lines = self._dev("press", "--json", *arguments).splitlines()
        return [msgspec.json.decode(line, type=Result) for line in lines]

    def start_press(self, *arguments: str) -> subprocess.Popen[bytes]:
        """The same, while the test goes on."""
        command = [sys.executable, "-m", "devstack", "press", "--json", *arguments]
        return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=subprocess.DEVNULL)

    def pid(self, name: str) -> int:
        """The process of this name that runs now."""
        statuses = msgspec.json.decode(self._dev("status", "--json"), type=list[Status])
        pid = next(one.pid for one in statuses if one.name == name)
        assert pid is not None, f"{name} does not run"
        return pid

    def kill(self, name: str) -> None:
        """kill -9 of one process; the process manager starts it anew."""
        os.kill(self.pid(name), signal.SIGKILL)

    def _dev(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "devstack", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def running(home: Path) -> Iterator[Stack]:
    """Up in `home` on free ports; down at the end."""
    http, mqtt = _free_ports(2)
    environment = {
        **os.environ,
        "SAFESIGNAL_HOME": str(home),
        "SAFESIGNAL_HTTP_PORT": str(http),
        "SAFESIGNAL_MQTT_PORT": str(mqtt),
    }
    base = [sys.executable, "-m", "devstack"]
    try:
        up = subprocess.run(
            [*base, "up", "--detach"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert up.returncode == 0, up.stdout + up.stderr
        demo = msgspec.json.decode((home / "demo.json").read_bytes(), type=Demo)
        yield Stack(demo, environment)
    finally:
        subprocess.run([*base, "reset", "--yes"], cwd=ROOT, env=environment, capture_output=True, check=False)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
