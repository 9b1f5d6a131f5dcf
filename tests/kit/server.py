"""The cloud's programs as in production: web server and relay, on the engines of this test run."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from contracts import ROOT
from devstack.testing.stack import free_ports
from tests.kit.patience import WAIT_SECONDS, until

HOST = "127.0.0.1"
START_SECONDS = 2 * WAIT_SECONDS


@dataclass
class Server:
    """The web server of this run, with the relay beside it."""

    port: int
    web: subprocess.Popen[bytes]
    relay: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def socket_url(self) -> str:
        return f"ws://{HOST}:{self.port}"


def start_relay(**environment: str) -> subprocess.Popen[bytes]:
    return _start("manage.py", "relay", **environment)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


@contextmanager
def running_server(role: str = "one") -> Iterator[Server]:
    """Run Granian as `./dev up` does, or in a production role, on a free port."""
    (port,) = free_ports(1)
    web = _start("-m", "safesignal.serve", role, "--host", HOST, "--port", str(port))
    server = Server(port, web, start_relay())
    try:
        until(lambda: _is_ready(server), START_SECONDS)
        yield server
    finally:
        stop(server.relay)
        stop(web)


def _start(*arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, *arguments], cwd=ROOT.parent, env={**os.environ, **environment})


def _is_ready(server: Server) -> bool:
    try:
        return httpx.get(f"{server.url}/health/ready").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
