"""A complete SafeSignal for tests: on free ports, in its own folder, removed completely afterwards."""

import contextlib
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from devstack.machine.demo import Demo
from devstack.machine.paths import ROOT
from devstack.machine.ports import HOST, Ports
from devstack.press.hops import Result
from devstack.stack import readiness
from devstack.stack.commands import Status

SECONDS = 900
"""For one command: a machine that does much else takes minutes to make a database."""
TEST_PORTS: Final = range(10_000, 32_768)
"""Below Linux's ports for outgoing connections (`ip_local_port_range`)."""


@dataclass(frozen=True)
class Stack:
    """A SafeSignal that is controlled by the commands of `./dev`, as by a user."""

    home: Path
    environment: dict[str, str] = field(repr=False)

    def dev(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command to completion."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"./dev {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}{self.log_tails()}")
        return done

    def command(self, *arguments: str) -> list[str]:
        """Return the command line, for tests that start it themselves."""
        return [sys.executable, "-m", "devstack", *arguments]

    @property
    def demo(self) -> Demo:
        """The current content of demo.json."""
        return msgspec.json.decode((self.home / "demo.json").read_bytes(), type=Demo)

    def status(self) -> dict[str, Status]:
        """Return the status of every process by name."""
        answer = msgspec.json.decode(self.dev("status", "--json").stdout, type=list[Status])
        return {one.name: one for one in answer}

    def ready(self) -> bool:
        """Whether a press would reach a screen: all processes run, web responds, gateway and button are connected."""
        states, ports = self.status(), Ports(int(self.demo.base_url.rpartition(":")[2]), self.demo.mqtt.port)
        connected = all(readiness.connected(states[name].pid, ports.mqtt) for name in ("edge", "button"))
        return all(one.state == "running" for one in states.values()) and connected and readiness.web_answers(ports)

    def press(self, *arguments: str, check: bool = True) -> list[Result]:
        """Press buttons and return the results."""
        lines = self.dev("press", "--json", *arguments, check=check).stdout.splitlines()
        return [msgspec.json.decode(line, type=Result) for line in lines]

    def log_tails(self) -> str:
        """Return the end of every log, for failure reports."""
        logs = sorted((self.home / "logs").glob("*.log")) if (self.home / "logs").exists() else []
        return "".join(f"\n--- {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs)


def free_ports(count: int) -> list[int]:
    """Return ports without a listener, below those that the kernel uses for outgoing connections, so that none of them
    occupies one before the server does.
    """
    free: list[int] = []
    for port in random.sample(TEST_PORTS, len(TEST_PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            free.append(port)
        if len(free) == count:
            return free
    raise OSError(f"Of the ports {TEST_PORTS.start} to {TEST_PORTS.stop - 1} fewer than {count} are free.")


def not_started(home: Path, **variables: str) -> Stack:
    """Return a SafeSignal that is not started yet, on free ports by default."""
    http, mqtt = free_ports(2)
    ports = {"SAFESIGNAL_HTTP_PORT": str(http), "SAFESIGNAL_MQTT_PORT": str(mqtt)}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAFESIGNAL_", "DJANGO_"))}
    here = {"SAFESIGNAL_HOME": str(home), "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return Stack(home, {**kept, **ports, **here, **variables})


@contextmanager
def running_stack(home: Path, **variables: str) -> Iterator[Stack]:
    """Run a SafeSignal; stop it and remove its state in any case."""
    stack = not_started(home, **variables)
    try:
        stack.dev("up", "--detach")
        yield stack
    finally:
        stack.dev("reset", "--yes", check=False)
