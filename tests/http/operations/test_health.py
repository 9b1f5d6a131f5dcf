"""Health checks report whether a process is alive and ready, based on what it can do at that moment."""

import json
import os
import subprocess
import sys

import pytest
from django.test import Client

from contracts import ROOT

pytestmark = pytest.mark.slow

ASK = """
import django; django.setup()
from django.test import Client
for path in ("live", "ready"):
    answer = Client().get(f"/health/{path}", headers={"host": "localhost"})
    print(answer.status_code, answer.content.decode())
"""
NOWHERE = {
    "database": {"DATABASE_URL": "postgres://safesignal_app:none@/safesignal?host=%2Fnowhere"},
    "valkey": {"VALKEY_URL": "unix:///nowhere/valkey?db=0"},
}


def health_without(engine: str) -> list[tuple[int, dict[str, object]]]:
    """Return the health of a process whose engine is unavailable."""
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=ROOT.parent,
        env={**os.environ, **NOWHERE[engine]},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split(" ", 1) for line in done.stdout.splitlines()]
    return [(int(status), json.loads(body)) for status, body in lines]


def test_health_checks_pass_when_all_is_well() -> None:
    assert Client().get("/health/live").json() == {"status": "live"}
    answer = Client().get("/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "database": True, "valkey": True})


def test_process_is_alive_but_not_ready_without_the_database() -> None:
    live, ready = health_without("database")
    assert live == (200, {"status": "live"})
    assert ready == (503, {"status": "not ready", "database": False, "valkey": True})


def test_process_stays_ready_without_valkey() -> None:
    assert health_without("valkey")[1] == (200, {"status": "ready", "database": True, "valkey": False})


@pytest.mark.parametrize("path", ["live", "ready"])
def test_health_checks_answer_with_or_without_credentials(path: str) -> None:
    assert Client(headers={"authorization": "Bearer expired"}).get(f"/health/{path}").status_code == 200
    assert Client().post(f"/health/{path}").status_code == 405
