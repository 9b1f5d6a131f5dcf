"""docs/api.md leads a developer from an invitation to the place tree: its commands are run as they stand there."""

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
from tests.accounts.post_office import link
from tests.accounts.test_register import invite
from tests.cloud.school import School
from tests.cloud.server import Server, running_server

pytestmark = pytest.mark.slow

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 60


@pytest.fixture(scope="module")
def server(database: None) -> Iterator[Server]:
    with running_server() as running:
        yield running


def commands() -> str:
    """All of the page's commands, in their order."""
    return "\n".join(text for language, text in BLOCK.findall(PAGE.read_text()) if language == "sh")


def test_the_page_does_what_it_says(server: Server, school: School, tmp_path: Path) -> None:
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

    def told(name: str) -> Any:
        return json.loads((tmp_path / name).read_text())

    (shown,) = (json.loads(text) for language, text in BLOCK.findall(PAGE.read_text()) if language == "json")
    assert set(shown) == set(told("joined.json"))
    assert told("joined.json")["organization"] == str(school.organization)
    assert told("me.json")["email"] == email
    (site,) = told("tree.json")["sites"]
    assert {building["id"] for building in site["buildings"]} == {str(school.building), str(school.other_building)}
