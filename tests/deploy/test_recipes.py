"""The recipes name the files that a change really touches."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.machine.paths import ROOT
from tests.kit.patience import WAIT_SECONDS

PAGE = (ROOT / "docs" / "recipes.md").read_text()
RECIPES = {
    section.partition("\n")[0]: re.findall(r"^- `([^`]+)`", section, re.MULTILINE)
    for section in PAGE.split("\n## ")[1:]
}
AT_MOST = 5
MANY = {"Add a field to rooms": 8}
"""More than a change should need, for the reason that the page gives."""
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "var", "build")
TESTS_SECONDS = 10 * WAIT_SECONDS


@pytest.mark.parametrize(("recipe", "files"), RECIPES.items(), ids=RECIPES)
def test_recipe_names_few_files_and_each_exists(recipe: str, files: list[str]) -> None:
    assert [file for file in files if not (ROOT / file).exists()] == []
    assert 1 <= len(files) <= MANY.get(recipe, AT_MOST)


def test_there_are_eleven_recipes() -> None:
    assert len(RECIPES) == 11


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """A checkout to change."""
    there = tmp_path / "copy"
    shutil.copytree(ROOT, there, ignore=NOT_COPIED)
    yield there
    shutil.rmtree(there)


def python(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the copy's code with the packages of this run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAFESIGNAL_", "DJANGO_"))}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env=kept | {"PYTHONPATH": str(copy), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=TESTS_SECONDS,
        check=False,
    )


@pytest.mark.slow
def test_alert_type_is_added_by_one_row(copy: Path) -> None:
    table = copy / "contracts" / "alert_types.json"
    rows = json.loads(table.read_text())
    rows.insert(2, rows[1] | {"type": "earthquake", "label": "Earthquake", "saying": "Drop, cover, hold on."})
    for priority, row in enumerate(reversed(rows), start=1):
        row["priority"] = priority
    table.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    tests = ("-m", "pytest", "-q", "tests/contracts/test_generated.py", "tests/contracts/test_data.py")
    assert python(copy, *tests).returncode == 1, "the generated files are stale"
    assert python(copy, "-m", "devstack", "generate").returncode == 0
    done = python(copy, *tests)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_setting_of_an_organization_is_added_by_one_field(copy: Path) -> None:
    settings = copy / "apps" / "tenancy" / "organizations" / "organization_settings.py"
    text = settings.read_text()
    field = '    ring_twice: Annotated[bool, Meta(description="Whether the bell rings twice.")] = False\n\n'
    before = "    def responder_policy_at"
    assert text.count(before) == 1
    settings.write_text(text.replace(before, field + before))
    (copy / "tests" / "tenancy" / "test_ring_twice.py").write_text(
        "import pytest\n"
        "from apps.accounts.models import Role\n"
        "from tests.kit.people import PersonFactory\n"
        "from tests.kit.school import SchoolFactory\n"
        "\n"
        "@pytest.mark.usefixtures('database')\n"
        "def test_setting_is_read_and_changed_through_the_api() -> None:\n"
        "    school = SchoolFactory.create()\n"
        "    client = PersonFactory.create(role=Role.ADMIN, organization=school.organization).client\n"
        "    path = f'/api/v1/organizations/{school.organization}/settings'\n"
        "    assert client.get(path).json()['ring_twice'] is False\n"
        "    answer = client.patch(path, {'ring_twice': True}, content_type='application/json')\n"
        "    assert (answer.status_code, client.get(path).json()['ring_twice']) == (200, True)\n"
    )
    done = python(copy, "-m", "pytest", "-q", "tests/tenancy/test_ring_twice.py")
    assert done.returncode == 0, done.stdout + done.stderr
