"""Separate engines for this run, as in the tests. Importing this module points Django's settings at them."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import django
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper

from apps.common import valkey
from apps.common.startup import finish_loading
from devstack.machine.paths import ROOT
from devstack.machine.ports import HOST
from devstack.testing.stack import free_ports
from tests.environment import PLACE, SECRETS, started_engines

__all__ = ["PLACE", "SECRETS", "running_engines", "web"]

READY_SECONDS = 30.0

os.environ["SAFESIGNAL_LOG_LEVEL"] = "WARNING"
django.setup()
finish_loading()  # alerts are written here as in a server


@contextmanager
def running_engines() -> Iterator[None]:
    """Run both engines; close all connections afterwards, as the next benchmark starts them again."""
    with started_engines():
        try:
            yield
        finally:
            for connection in connections.all(initialized_only=True):
                connection.close()
                if isinstance(connection, DatabaseWrapper):
                    connection.close_pool()
            valkey.client().connection_pool.disconnect()


@contextmanager
def web() -> Iterator[str]:
    """Run the web application as in `./dev up`, one process, with the relay; yield its address."""
    (port,) = free_ports(1)
    address = f"http://{HOST}:{port}"
    serve = ["-m", "safesignal.serve", "one", "--host", HOST, "--port", str(port)]
    with _program(*serve), _program("manage.py", "relay"):
        _wait_until_ready(f"{address}/health/ready")
        yield address


@contextmanager
def _program(*arguments: str) -> Iterator[None]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (PLACE.logs / "benchmark.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _wait_until_ready(address: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            urllib.request.urlopen(address, timeout=1).close()
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
