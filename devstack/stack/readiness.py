"""Readiness checks for started processes."""

from pathlib import Path

import httpx

from devstack.errors import Refusal
from devstack.machine.credentials import Credentials
from devstack.machine.paths import Layout
from devstack.machine.ports import Ports
from devstack.stack import engines, environments

ESTABLISHED = "01"


def postgres_answers(place: Layout, secrets: Credentials) -> bool:
    """Whether the database responds to the superuser."""
    try:
        return engines.psql(place, secrets, "SELECT 1;").strip() == "1"
    except Refusal:
        return False


def web_answers(chosen: Ports) -> bool:
    """Whether the web application reports that it is ready."""
    try:
        answer = httpx.get(f"{environments.base_url(chosen)}/health/ready", timeout=5, trust_env=False)
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK


def connected(pid: int | None, port: int) -> bool:
    """Whether a process has a TCP connection to a local port (proc_pid_net(5))."""
    if pid is None:
        return False
    try:
        sockets = {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return False
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(
        row[2].endswith(f":{port:04X}") and row[3] == ESTABLISHED and f"socket:[{row[9]}]" in sockets for row in rows
    )
