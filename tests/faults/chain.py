"""Access to the running chain: processes by signals, the rest by broker and API; PostgreSQL and the gateway's file are
only read, after the test."""

import asyncio
import os
import signal
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from unittest.mock import patch

from devstack.machine import credentials
from devstack.machine.demo import Demo
from devstack.machine.paths import Layout, layout
from devstack.machine.ports import HOST, Ports
from devstack.stack import engines, readiness
from devstack.stack.supervisor import ProcessInfo, Supervisor
from devstack.testing.stack import Stack

NIGHTLY = bool(os.environ.get("SAFESIGNAL_NIGHTLY"))
POLL_SECONDS = 0.1
SETTLE_SECONDS = 600.0
"""For what the chain does by itself, also on a busy machine: only a failing test waits this long."""
Figure = Callable[[str, object], None]
"""pytest's record_property: `figure` and a text that `./dev test` prints at the end."""


class Chain:
    """A running SafeSignal."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.place: Layout = _layout(stack.home)
        self.ports = Ports(
            http=int(stack.environment["SAFESIGNAL_HTTP_PORT"]), mqtt=int(stack.environment["SAFESIGNAL_MQTT_PORT"])
        )
        self._secrets = credentials.credentials(self.place)
        self._supervisor = Supervisor(self.place)

    @property
    def demo(self) -> Demo:
        """The school, its people and its buttons."""
        return self.stack.demo

    def kill(self, name: str) -> int:
        """Kill a supervised process with SIGKILL; return its pid."""
        pid = self._pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def hold_down(self, name: str) -> None:
        """Kill a process with all its children, and keep it stopped."""
        pid = self._pid(name)
        for one in [pid, *descendants(pid)]:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        self._supervisor.stop_process(name)

    def start(self, name: str) -> None:
        """Start a stopped process again."""
        self._supervisor.start_process(name)

    @asynccontextmanager
    async def away(self, name: str, *, frozen: bool) -> AsyncIterator[None]:
        """Keep a process killed, or frozen with all its children, until the end of the block."""
        if not frozen:
            await asyncio.to_thread(self.hold_down, name)
            try:
                yield
            finally:
                await asyncio.to_thread(self.start, name)
            return
        pid = await asyncio.to_thread(self._pid, name)
        family = [pid, *descendants(pid)]
        for one in family:
            os.kill(one, signal.SIGSTOP)
        try:
            yield
        finally:
            for one in reversed(family):
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGCONT)

    def running(self, name: str, *, but: int | None = None) -> bool:
        """Whether the process manager reports it as running, with another pid than `but`."""
        info = self._info(name)
        return info.state == "running" and info.pid not in (None, but)

    def answers(self, name: str) -> bool:
        """Whether the service responds, as far as that can be checked."""
        if name == "web":
            return readiness.web_answers(self.ports)
        if name == "postgres":
            return readiness.postgres_answers(self.place, self._secrets)
        if name == "broker":
            with socket.socket() as probe:
                return probe.connect_ex((HOST, self.ports.mqtt)) == 0
        return self.running(name)

    def rows(self, sql: str) -> list[list[str]]:
        """Query PostgreSQL as superuser. Waits for a server that is restarting."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while not self.answers("postgres") and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        answer = engines.psql(self.place, self._secrets, f"\\connect {engines.DATABASE}\n{sql};")
        return [line.split("|") for line in answer.splitlines()]

    def gateway_rows(self, sql: str) -> list[tuple[str, str | None]]:
        """Query the gateway's file for pairs of a name and a text."""
        path = self.place.edge / "gateway.sqlite3"
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()

    def _pid(self, name: str) -> int:
        """Return the pid of a process; waits for one that is restarting."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while (pid := self._info(name).pid) is None:
            assert time.monotonic() < deadline, f"{name} is not running"
            time.sleep(POLL_SECONDS)
        return pid

    def _info(self, name: str) -> ProcessInfo:
        return next(one for one in self._supervisor.processes() if one.name == name)


def descendants(pid: int) -> list[int]:
    """Return all descendants of a process (proc_pid_task_children(5))."""
    pids = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            pids += [child, *descendants(child)]
    return pids


def _layout(home: Path) -> Layout:
    with patch.dict(os.environ, {"SAFESIGNAL_HOME": str(home)}):
        return layout()


async def until(true: Callable[[], bool], what: str) -> float:
    """Wait for a condition; return the seconds that it took. Raises AssertionError after `SETTLE_SECONDS`."""
    began = time.monotonic()
    while not await asyncio.to_thread(true):
        assert time.monotonic() - began < SETTLE_SECONDS, f"not within {SETTLE_SECONDS:.0f} s: {what}"
        await asyncio.sleep(POLL_SECONDS)
    return time.monotonic() - began
