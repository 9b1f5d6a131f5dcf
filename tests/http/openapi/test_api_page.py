"""docs/api.md guides a developer from an invitation to the place tree: its commands are run unchanged."""

import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.models import Role
from tests.accounts.people.test_register import invite
from tests.kit.mailbox import link
from tests.kit.school import School
from tests.kit.server import Server, running_server

pytestmark = pytest.mark.slow

PAGE = Path(__file__).resolve().parents[3] / "docs" / "api.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 60


@pytest.fixture(scope="module")
def server(database: None) -> Iterator[Server]:
    with running_server() as running:
        yield running


def commands() -> str:
    """Return all commands of the page, in order."""
    return "\n".join(text for language, text in BLOCK.findall(PAGE.read_text()) if language == "sh")


def test_api_page_commands_work(server: Server, school: School, tmp_path: Path) -> None:
    email = f"{secrets.token_hex(8)}@school.example"
    invite(school.organization, email, Role.OPERATOR)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "API": f"{server.url}/api/v1",
        "INVITATION": link(email, "join"),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-x", "-c", commands()],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"

    def saved(name: str) -> Any:
        return json.loads((tmp_path / name).read_text())

    (documented,) = (json.loads(text) for language, text in BLOCK.findall(PAGE.read_text()) if language == "json")
    assert set(documented) == set(saved("joined.json"))
    assert saved("joined.json")["organization"] == str(school.organization)
    assert saved("me.json")["email"] == email
    (site,) = saved("tree.json")["sites"]
    assert {building["id"] for building in site["buildings"]} == {str(school.building), str(school.other_building)}
