"""The ingress routes to processes as `safesignal/lanes.py` does to threads: a real nginx, the shipped configuration."""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from contracts.validation import problems
from devstack.testing.stack import free_ports
from safesignal.lanes import Lane, lane_of
from tests.kit.patience import WAIT_SECONDS

ROOT = Path(__file__).resolve().parents[2]
NAME = "localhost"
DEADLINE_SECONDS = 10.0
ASKED: set[str] = set()
"""Paths requested from any upstream."""
UPSTREAMS = ("gateways", "alarms", "live", "pages")

pytestmark = pytest.mark.slow


class Echo(BaseHTTPRequestHandler):
    """A handler that returns its name and the request; it accepts a protocol upgrade and echoes the data."""

    protocol_version = "HTTP/1.1"
    server: "Named"

    def do_GET(self) -> None:
        ASKED.add(self.path)
        if self.headers.get("Upgrade") == "websocket":
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.wfile.write(self.rfile.read(4)[::-1])
            self.close_connection = True
            return
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps({"server": self.server.name, "path": self.path, "headers": dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if self.path.endswith("stream") else "application/json")
        if self.path.endswith("stream"):
            # An endless response: it must be forwarded before it is finished.
            self.end_headers()
            self.wfile.write(body + b"\n")
            self.server.over.wait(DEADLINE_SECONDS)
            self.close_connection = True
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


class Named(ThreadingHTTPServer):
    """An upstream with a name."""

    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.name = name
        self.over = threading.Event()


@contextmanager
def serving(name: str) -> Iterator[int]:
    server = Named(name)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def ingress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, ssl.SSLContext]]:
    """The TLS port of a running ingress, and a context that trusts it."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None or shutil.which("openssl") is None:
        pytest.skip("nginx or openssl is not installed (apt-get install nginx-light openssl)")
    folder = tmp_path_factory.mktemp("ingress")
    secrets = folder / "secrets"
    subprocess.run([ROOT / "deploy" / "make-secrets.sh", secrets, NAME], check=True, capture_output=True)
    port, alive = free_ports(2)
    with ExitStack() as running:
        upstreams = {name: running.enter_context(serving(name)) for name in UPSTREAMS}
        conf = (ROOT / "deploy" / "ingress" / "nginx.conf").read_text()
        # Only nginx 1.27.3 and later resolves names again, and only Docker has that name server.
        conf = re.sub(r"^\s*(resolver|zone|http2) .*\n", "", conf, flags=re.MULTILINE)
        for name, upstream in upstreams.items():
            conf = conf.replace(f"{name}:8000 resolve", f"127.0.0.1:{upstream}")
        conf = conf.replace("listen 443 ssl;", "").replace("listen 8443", f"listen 127.0.0.1:{port}")
        conf = conf.replace("/tmp/", f"{folder}/").replace("/dev/stdout", f"{folder}/access.log")
        conf = conf.replace("127.0.0.1:8081", f"127.0.0.1:{alive}").replace("/run/secrets", str(secrets))
        # Started by root, its workers switch to a user that cannot read a test's folders.
        user = "user root;\n" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(f"{user}daemon off;\n{conf}")
        process = subprocess.Popen([nginx, "-c", folder / "nginx.conf", "-e", folder / "error.log", "-p", folder])
        until = time.monotonic() + DEADLINE_SECONDS
        while process.poll() is None and time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        assert process.poll() is None, (folder / "error.log").read_text()
        yield port, ssl.create_default_context(cafile=str(secrets / "ingress_ca.pem"))
        process.terminate()
        process.wait(DEADLINE_SECONDS)


def ask(
    ingress: tuple[int, ssl.SSLContext], path: str, *, method: str = "GET", body: bytes = b"", **headers: str
) -> HTTPResponse:
    port, context = ingress
    connection = HTTPSConnection(NAME, port, context=context, timeout=DEADLINE_SECONDS)
    connection.request(method, path, body, {key.replace("_", "-"): value for key, value in headers.items()})
    return connection.getresponse()


@pytest.mark.parametrize(
    ("path", "server"),
    [
        ("/", "pages"),
        ("/board/", "pages"),
        ("/board/alerts/x/acknowledge/", "alarms"),
        ("/login/", "pages"),
        ("/api/v1/auth/login", "pages"),
        ("/api/v1/alerts", "alarms"),
        ("/api/v1/alerts/x/acknowledge", "alarms"),
        ("/api/v1/alerts/stream/x", "alarms"),
        ("/api/v1/alertsx", "pages"),
        ("/api/v1/edge/events", "gateways"),
        ("/api/v1/edge/config", "gateways"),
        ("/api/v1/oauth/token", "gateways"),
        ("/api/v1/oauth/tokens", "pages"),
        ("/health/ready", "gateways"),
        ("/static/board.css", "pages"),
        ("/ws/alerts", "live"),
        ("/ws/edge", "live"),
        ("/wsx", "pages"),
    ],
)
def test_path_is_routed_to_its_server(ingress: tuple[int, ssl.SSLContext], path: str, server: str) -> None:
    answer = json.loads(ask(ingress, path).read())
    assert (answer["server"], answer["path"]) == (server, path)
    if server != "live":
        assert server == {Lane.SIGN_INS: "pages"}.get(lane := lane_of("POST", path), lane)


def test_stream_is_routed_to_live_without_buffering(ingress: tuple[int, ssl.SSLContext]) -> None:
    assert json.loads(ask(ingress, "/api/v1/alerts/stream").readline())["server"] == "live"


def test_websocket_is_proxied_in_both_directions(ingress: tuple[int, ssl.SSLContext]) -> None:
    port, context = ingress
    with (
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=NAME) as stream,
    ):
        stream.sendall(
            b"GET /ws/alerts HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        )
        stream.sendall(b"ping")
        heard = b""
        while not heard.endswith(b"gnip"):
            piece = stream.recv(4096)
            assert piece, heard
            heard += piece
    assert heard.startswith(b"HTTP/1.1 101 ")


def test_caller_cannot_forge_its_address_or_scheme(ingress: tuple[int, ssl.SSLContext]) -> None:
    answer = ask(ingress, "/", X_Forwarded_For="203.0.113.7", X_Forwarded_Proto="http", Host="school.example.org:8443")
    headers = json.loads(answer.read())["headers"]
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["X-Forwarded-Proto"] == "https"
    assert headers["Host"] == "school.example.org:8443"


def test_body_over_two_megabytes_is_refused(ingress: tuple[int, ssl.SSLContext]) -> None:
    assert ask(ingress, "/api/v1/edge/events", method="POST", body=b"x" * (1 << 20)).status == 200
    assert ask(ingress, "/api/v1/edge/events", method="POST", body=b"x" * (2 << 20) + b"x").status == 413


@pytest.mark.parametrize("path", ["/api/v1/auth/login", "/login/", "/forgot-password/"])
def test_ingress_refuses_large_bodies_at_public_endpoints(ingress: tuple[int, ssl.SSLContext], path: str) -> None:
    assert ask(ingress, path, method="POST", body=b"x" * (16 << 10)).status == 200
    refused = ask(ingress, path, method="POST", body=b"x" * (16 << 10) + b"x")
    assert (refused.status, refused.getheader("Content-Type")) == (413, "application/problem+json")
    assert problems("problem", refused.read()) == []


def test_ingress_forwards_no_request_with_an_incomplete_body(ingress: tuple[int, ssl.SSLContext]) -> None:
    """Half-sent requests to an upstream that one would block: the next request is answered."""
    port, context = ingress
    with ExitStack() as held:
        for _ in range(50):
            plain = held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS))
            line = held.enter_context(context.wrap_socket(plain, server_hostname=NAME))
            line.sendall(b"POST /api/v1/edge/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        assert ask(ingress, "/api/v1/edge/events", method="POST", body=b"{}").status == 200
        assert "/api/v1/edge/half" not in ASKED


def test_ingress_times_out_on_a_missing_body(ingress: tuple[int, ssl.SSLContext]) -> None:
    """A client that sends half a body cannot hold a connection for long."""
    port, context = ingress
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS) as plain:
        line = context.wrap_socket(plain, server_hostname=NAME)
        line.sendall(b"POST /api/v1/edge/late HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        answer = line.recv(4096)
    assert answer == b"" or b" 408 " in answer.partition(b"\r\n")[0]
    assert "/api/v1/edge/late" not in ASKED


def test_log_line_omits_the_query(
    ingress: tuple[int, ssl.SSLContext], tmp_path_factory: pytest.TempPathFactory
) -> None:
    ask(ingress, "/api/v1/alerts?secret=1").read()
    log = next(tmp_path_factory.getbasetemp().glob("ingress*/access.log"))
    until = time.monotonic() + DEADLINE_SECONDS
    while '"/api/v1/alerts"' not in log.read_text() and time.monotonic() < until:
        time.sleep(0.02)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines and "secret" not in log.read_text()
