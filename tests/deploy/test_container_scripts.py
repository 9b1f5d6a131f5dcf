"""Scripts that run in a container before and beside its process: inserting secrets, and the health check."""

import importlib.util
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType

import pytest

DOCKER = Path(__file__).resolve().parents[2] / "deploy" / "docker"


def load(name: str) -> ModuleType:
    """Load a script of the image as a module."""
    spec = importlib.util.spec_from_file_location(name, DOCKER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


with_secrets = load("with_secrets")
healthcheck = load("healthcheck")


def test_secret_is_url_encoded_only_inside_a_longer_value(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("p/w:1@%\n")
    environment = {"URL": "postgres://app:{secret:password}@db/x", "PASSWORD": "{secret:password}", "PLAIN": "{a} $b"}
    assert with_secrets.fill(environment, tmp_path) == {
        "URL": "postgres://app:p%2Fw%3A1%40%25@db/x",
        "PASSWORD": "p/w:1@%",
        "PLAIN": "{a} $b",
    }


def test_missing_or_empty_secret_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    for name in ("empty", "missing"):
        with pytest.raises(ValueError, match=f"^URL needs the secret {name}"):
            with_secrets.fill({"URL": f"x:{{secret:{name}}}@y"}, tmp_path)


def test_command_does_not_start_without_its_secrets() -> None:
    script = [sys.executable, str(DOCKER / "with_secrets.py"), "true"]
    assert subprocess.run(script, check=False, env={"PATH": os.environ["PATH"]}).returncode == 0
    refused = subprocess.run(script, check=False, env={"KEY": "{secret:no-such}"}, capture_output=True, text=True)
    assert refused.returncode == 1
    assert refused.stderr.startswith("with_secrets: KEY needs the secret no-such") and refused.stderr.count("\n") == 1


class Ready(BaseHTTPRequestHandler):
    """A handler that returns 200 on /ready for requests with the public name, else 503."""

    def do_GET(self) -> None:
        well = self.path == "/ready" and self.headers["Host"] == "school.example.org:8443"
        self.send_response(200 if well else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """Port of a server that is ready for school.example.org:8443."""
    server = HTTPServer(("127.0.0.1", 0), Ready)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_http_check_uses_the_public_name(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFESIGNAL_BASE_URL", "https://school.example.org:8443")
    assert healthcheck.main(["http", f"http://127.0.0.1:{port}/ready"]) is None
    assert healthcheck.main(["http", f"http://127.0.0.1:{port}/other"]) == f"http://127.0.0.1:{port}/other answered 503"
    monkeypatch.setenv("SAFESIGNAL_BASE_URL", "https://other.example.org")
    assert healthcheck.main(["http", f"http://127.0.0.1:{port}/ready"]) is not None


def test_http_check_reports_that_no_server_is_listening() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert "refused" in str(healthcheck.main(["http", f"http://127.0.0.1:{bound.getsockname()[1]}/"]))


def test_connected_check_detects_an_open_and_a_closed_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert healthcheck.main(["connected", "127.0.0.1", port]) == f"not connected to 127.0.0.1:{port}"
        with socket.create_connection(server.getsockname()):
            assert healthcheck.main(["connected", "127.0.0.1", port]) is None
        assert healthcheck.main(["connected", "127.0.0.1", port]) == f"not connected to 127.0.0.1:{port}"


def test_fresh_check_uses_the_newest_file(tmp_path: Path) -> None:
    assert healthcheck.main(["fresh", str(tmp_path), "60"]) == f"{tmp_path} has no file"
    (tmp_path / "old").write_text("")
    os.utime(tmp_path / "old", (0, 0))
    assert "more than 60 s" in str(healthcheck.main(["fresh", str(tmp_path), "60"]))
    (tmp_path / "new").write_text("")
    assert healthcheck.main(["fresh", str(tmp_path), "60"]) is None


def test_unknown_check_prints_the_usage() -> None:
    assert "healthcheck.py http" in str(healthcheck.main([]))
