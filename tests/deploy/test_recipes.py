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
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "var", "build")
TESTS_SECONDS = 10 * WAIT_SECONDS


@pytest.mark.parametrize(("recipe", "files"), RECIPES.items(), ids=RECIPES)
def test_recipe_names_few_files_and_each_exists(recipe: str, files: list[str]) -> None:
    assert [file for file in files if not (ROOT / file).exists()] == []
    assert 1 <= len(files) <= AT_MOST


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


def insert(file: Path, after: str, text: str, *, times: int = 1) -> None:
    """Insert a text after another one, which the file has this often."""
    before = file.read_text()
    assert before.count(after) == times, f"{file}: {after}"
    file.write_text(before.replace(after, after + text))


MAKE_MIGRATION = """
import os, pathlib, sys
from devstack.stack.environments import throwaway
os.environ |= throwaway(pathlib.Path(sys.argv[1]), "development")
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "makemigrations", "tenancy"])
"""

ROOM_TEST = """
import pytest
from apps.accounts.models import Role
from tests.admin.test_pages import browser
from tests.http.document import document
from tests.kit.people import PersonFactory
from tests.kit.school import SchoolFactory

@pytest.mark.usefixtures("database")
def test_field_is_everywhere() -> None:
    school = SchoolFactory.create()
    client = PersonFactory.create(role=Role.ADMIN, organization=school.organization).client
    new = {"room_number": "9", "extension": "4711"}
    path = f"/api/v1/floors/{school.floor}/rooms"
    created = client.post(path, new, content_type="application/json")
    assert (created.status_code, created.json()["extension"]) == (201, "4711")
    too_long = client.post(path, new | {"extension": "4" * 11}, content_type="application/json")
    assert list(too_long.json()["errors"]) == ["extension"]
    organization = f"/api/v1/organizations/{school.organization}"
    assert '"4711"' in client.get(f"{organization}/tree").content.decode()
    exported = client.get(f"{organization}/exports/places").getvalue().decode()
    assert '"extension"' in exported.splitlines()[0]
    assert '"4711"' in exported
    assert 'name="extension"' in browser(school, Role.ADMIN).get("/admin/tenancy/room/add/").content.decode()
    schemas = document()["components"]["schemas"]
    assert "extension" in schemas["Room"]["required"]
    assert schemas["RoomRequest"]["properties"]["extension"]["maxLength"] == 10
"""


@pytest.mark.slow
def test_field_of_rooms_is_added_in_five_files(copy: Path, tmp_path: Path) -> None:
    tenancy = copy / "apps" / "tenancy"
    column = "    room_type = models.CharField(max_length=50, null=True)\n"
    insert(tenancy / "models.py", column, "    extension = models.CharField(max_length=10, null=True)\n")
    insert(tenancy / "documents.py", "    room_type: str | None\n", "    extension: str | None\n", times=2)
    insert(tenancy / "examples.py", '"room_type": "classroom"', ', "extension": "4711"')
    unset = "str | UnsetType | None = UNSET\n"
    insert(tenancy / "places" / "place_table.py", f"    room_type: {unset}", f"    extension: {unset}")
    cells = '        Column("{0}", cells_of(Room, "{0}")),\n'
    insert(tenancy / "places" / "place_table.py", cells.format("room_type"), cells.format("extension"))
    insert(tenancy / "place_tree.sql", "'room_type', r.room_type", ", 'extension', r.extension")
    made = python(copy, "-c", MAKE_MIGRATION, str(tmp_path))
    assert made.returncode == 0, made.stdout + made.stderr
    (copy / "tests" / "tenancy" / "test_extension.py").write_text(ROOM_TEST)
    examples = (
        "tests/http/openapi/test_openapi.py",
        "-k",
        "extension or field_is_everywhere or (examples and (rooms or tree))",
    )
    done = python(copy, "-m", "pytest", "-q", "tests/tenancy/test_extension.py", *examples)
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
