"""Loaded by pytest before Django: settings for the engines of this run alone, which the first test starts.

Each process of a run (pytest-xdist) has its own PostgreSQL and Valkey, in a folder that is deleted when it exits.
"""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis

from devstack.machine import credentials, paths
from devstack.machine.ports import Ports
from devstack.stack import engines, environments

READY_SECONDS = 60
WITHOUT_FSYNC = ("-c", "fsync=off", "-c", "full_page_writes=off")
"""Tests commit thousands of times. This concerns power failures only, and the files are deleted anyway."""

# A busy machine is not a defect of the code: no test fails for the duration of an example.
hypothesis.settings.register_profile(
    "safesignal", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("safesignal")

_folder = Path(tempfile.mkdtemp(prefix="safesignal-tests-"))
_folder.chmod(0o711)  # the engines run as their own user, which needs access to their folder
atexit.register(shutil.rmtree, _folder, ignore_errors=True)


def _layout() -> paths.Layout:
    outside = os.environ.get("SAFESIGNAL_HOME")
    os.environ["SAFESIGNAL_HOME"] = str(_folder / "home")
    try:
        return paths.layout()
    finally:
        del os.environ["SAFESIGNAL_HOME"]
        if outside is not None:
            os.environ["SAFESIGNAL_HOME"] = outside


PLACE = _layout()
# As root, the engines and their sockets are outside that folder.
atexit.register(paths.remove, PLACE)
paths.prepare(PLACE)
SECRETS = credentials.credentials(PLACE)
credentials.make_key_pairs(PLACE)
_settings = environments.cloud(PLACE, SECRETS, Ports(http=8000, mqtt=8883), "system", "owner")
for _name, _value in _settings.items():
    if _name.startswith(("SAFESIGNAL_", "DATABASE_", "DJANGO_", "VALKEY_", "CACHE_", "CELERY_")):
        os.environ[_name] = _value
# Tests send requests from many threads at once, and some end without returning their connection.
os.environ["SAFESIGNAL_PAGE_THREADS"] = "32"


@contextmanager
def started_engines() -> Iterator[None]:
    """Start PostgreSQL and Valkey, migrated and accepting connections."""
    engines.prepare_postgres(PLACE, SECRETS)
    engines.prepare_valkey(PLACE, SECRETS)
    PLACE.engines.own(PLACE.engine_home, PLACE.run)
    postgres = [*engines.postgres_command(PLACE), *WITHOUT_FSYNC]
    servers = [_server(postgres), _server(engines.valkey_command(PLACE))]
    try:
        _wait_for_postgres()
        engines.make_roles(PLACE, SECRETS)
        yield
    finally:
        for server in servers:
            server.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown: it does not wait for clients
        for server in servers:
            server.wait()


def as_superuser(script: str) -> None:
    """Run SQL that no role of the application may run."""
    engines.psql(PLACE, SECRETS, script)


def _server(command: list[str]) -> subprocess.Popen[bytes]:
    account = PLACE.engines
    other = account.name is not None
    log = (PLACE.logs / f"{Path(command[0]).name}.log").open("ab")
    return subprocess.Popen(
        command,
        stdout=log,
        stderr=log,
        cwd="/",
        user=account.uid if other else None,
        group=account.gid if other else None,
        extra_groups=[] if other else None,
    )


def _wait_for_postgres() -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            engines.psql(PLACE, SECRETS, "SELECT 1;")
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
