"""A server in a production role, without a proxy in front that buffers bodies."""

import os
import subprocess
import sys
from collections.abc import Iterator
from http import HTTPStatus

import httpx
import pytest

from apps.common.http.limits.body_limits import ANONYMOUS_BYTES
from contracts import ROOT
from safesignal.serve import LOWER_PRIORITY
from tests.http.limits.test_bulkheads import PATIENCE_SECONDS, connected, half_sent_request
from tests.kit.patience import WAIT_SECONDS
from tests.kit.server import HOST, Server, running_server

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("database")]


MEET = f"""
import django
django.setup()
from threading import Barrier, Thread
from django.conf import settings
from django.db import connection

threads = sum(getattr(settings, name) for name in dir(settings) if name.endswith("_THREADS"))
barrier = Barrier(threads, timeout={WAIT_SECONDS})

def work():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        barrier.wait()

workers = [Thread(target=work) for _ in range(threads)]
for worker in workers: worker.start()
for worker in workers: worker.join()
print("broken" if barrier.broken else "met")
"""
"""As many tasks as a process has threads, each holding a connection until all have one."""


@pytest.fixture(scope="module")
def server(database: None) -> Iterator[Server]:
    with running_server("alarms") as running:
        yield running


def test_half_sent_body_is_refused_after_its_deadline(server: Server) -> None:
    with half_sent_request(server, "/api/v1/auth/login") as line:
        answer = line.recv(4096)
    assert b" 408 " in answer.partition(b"\r\n")[0] and b"body_too_slow" in answer


def test_anonymous_body_is_limited_before_it_is_read(server: Server) -> None:
    with connected(server) as line:
        head = f"POST /api/v1/organizations HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {ANONYMOUS_BYTES + 1}\r\n\r\n"
        line.sendall(head.encode())
        answer = line.recv(4096)
    assert b" 413 " in answer.partition(b"\r\n")[0]


def test_client_that_stays_connected_after_refusal_does_not_block_others(server: Server) -> None:
    with half_sent_request(server, "/api/v1/auth/login") as line:
        assert b" 408 " in line.recv(4096)
        ready = httpx.get(f"{server.url}/health/ready", timeout=PATIENCE_SECONDS, trust_env=False)
    assert ready.status_code == HTTPStatus.OK


def test_alarms_have_priority_over_pages(server: Server) -> None:
    with running_server("pages") as pages:
        alarms = os.getpriority(os.PRIO_PROCESS, server.web.pid)
        assert os.getpriority(os.PRIO_PROCESS, pages.web.pid) == alarms + LOWER_PRIORITY


def test_server_refuses_a_port_in_use(server: Server) -> None:
    """Granian would share it, and every second client would reach the wrong server."""
    command = [sys.executable, "-m", "safesignal.serve", "live", "--port", str(server.port)]
    second = subprocess.run(command, cwd=ROOT.parent, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False)
    assert second.returncode != 0
    assert f"{HOST}:{server.port} is in use" in second.stderr


def test_every_thread_of_a_process_gets_a_connection() -> None:
    done = subprocess.run([sys.executable, "-c", MEET], cwd=ROOT.parent, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "met", done.stderr
