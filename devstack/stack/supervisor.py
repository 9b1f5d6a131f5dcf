"""The process manager (supervisord): start it and control it over its Unix socket."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path

import msgspec
from typing_extensions import override

from devstack.errors import Refusal
from devstack.machine.paths import Layout
from devstack.stack.processes import NAMES

SECONDS_TO_ANSWER = 10.0


class ProcessInfo(msgspec.Struct, frozen=True):
    """The state of a process; `state` in lower case (running, starting, backoff, stopped ...)."""

    name: str
    state: str
    pid: int | None


class _Answer(msgspec.Struct, frozen=True):
    name: str
    statename: str
    pid: int


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    @override
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(120)
        self.sock.connect(str(self._path))


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    @override
    def make_connection(self, host: object) -> http.client.HTTPConnection:
        return _UnixConnection(self._path)


class Supervisor:
    """The process manager of one state folder."""

    def __init__(self, place: Layout) -> None:
        self._place = place

    def _call(self, method: str, *arguments: str | bool) -> object:
        transport = _Transport(self._place.supervisor_socket)
        with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as server:
            call: Callable[..., object] = getattr(server, method)
            return call(*arguments)

    def alive(self) -> bool:
        """Whether the process manager responds."""
        try:
            self._call("supervisor.getState")
        except (OSError, http.client.HTTPException):
            return False
        except xmlrpc.client.Fault:
            # It is shutting down, and reports that instead of responding.
            return True
        return True

    def start(self, configuration: Path) -> subprocess.Popen[bytes]:
        """Start the process manager in a new session, so that Ctrl-C does not reach it; return once it responds."""
        kept = {name: os.environ[name] for name in ("PATH", "TZ", "TMPDIR") if name in os.environ}
        with (self._place.logs / "supervisord.out").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)],
                env={**kept, "LANG": "C.UTF-8"},
                cwd=self._place.processes,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + SECONDS_TO_ANSWER
        while not self.alive():
            if process.poll() is not None or time.monotonic() > deadline:
                raise Refusal(f"The process manager does not start: see {self._place.logs / 'supervisord.out'}.")
            time.sleep(0.02)
        return process

    def reload(self) -> None:
        """Read the configuration again and add new processes; running ones continue."""
        self._call("supervisor.reloadConfig")
        known = {one.name for one in self.processes()}
        for name in NAMES:
            if name not in known:
                self._call("supervisor.addProcessGroup", name)

    def start_process(self, name: str) -> None:
        """Start a process without waiting for it."""
        try:
            self._call("supervisor.startProcess", name, False)
        except xmlrpc.client.Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise Refusal(f"{name} does not start: {fault.faultString}.") from None

    def stop_process(self, name: str) -> None:
        """Stop a process and leave it stopped."""
        try:
            self._call("supervisor.stopProcess", name, True)
        except xmlrpc.client.Fault as fault:
            if "NOT_RUNNING" not in fault.faultString:
                raise Refusal(f"{name} does not stop: {fault.faultString}.") from None

    def processes(self) -> list[ProcessInfo]:
        """Return all processes; none if the process manager is not running."""
        try:
            answer = self._call("supervisor.getAllProcessInfo")
        except (OSError, http.client.HTTPException, xmlrpc.client.Fault):
            return []
        return [
            ProcessInfo(name=one.name, state=one.statename.lower(), pid=one.pid or None)
            for one in msgspec.convert(answer, list[_Answer])
        ]

    def shut_down(self) -> None:
        """Stop all processes in reverse order and the process manager itself; return when it is gone."""
        pid = self._pid()
        with contextlib.suppress(xmlrpc.client.Fault):
            self._call("supervisor.shutdown")
        while self.alive() or (pid is not None and _exists(pid)):
            time.sleep(0.05)

    def _pid(self) -> int | None:
        try:
            answer = self._call("supervisor.getPID")
        except xmlrpc.client.Fault:
            return None
        return answer if isinstance(answer, int) else None

    def end_leftovers(self) -> None:
        """Stop processes of a killed process manager, as gracefully as it would have."""
        mark = f"SUPERVISOR_SERVER_URL=unix://{self._place.supervisor_socket}".encode()
        for number, patience in ((signal.SIGINT, 10.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            deadline = time.monotonic() + patience
            left = _marked(mark)
            for pid in left:
                _signal(pid, number)
            while left and _marked(mark) and time.monotonic() < deadline:
                time.sleep(0.05)


def _marked(mark: bytes) -> list[int]:
    pids = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                pids.append(int(entry.name))
        except OSError:
            continue
    return pids


def _exists(pid: int) -> bool:
    """Whether a process is alive; a zombie is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
