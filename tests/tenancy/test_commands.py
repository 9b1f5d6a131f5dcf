"""Commands for IT staff: output, changes and exit codes."""

import io
import secrets
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import Invitation, MembershipScope, Role
from apps.common.db.scope import system_scope, tenant_scope
from apps.common.models import AuditEntry
from apps.tenancy.models import Organization, Room, Site
from tests.kit.callers import Caller
from tests.kit.school import School
from tests.kit.trail import actions

pytestmark = pytest.mark.slow

WHY = ("--reason", "Asked by the principal.")
TABLE = "site,building,floor_number,room_number,name\nNorth,Main,0,101,Art\nNorth,Main,0,102,Music\n"


def run(*words: str) -> str:
    """Run a command and return its output. Raises CommandError with its exit code."""
    output = io.StringIO()
    call_command(*words, stdout=output)
    return output.getvalue()


def refusal(*words: str) -> tuple[str, int]:
    """The message and exit code of a command that fails."""
    with pytest.raises(CommandError) as error:
        run(*words)
    return str(error.value), error.value.returncode


def organization_of(slug: str) -> Organization | None:
    with system_scope():
        return Organization.objects.filter(slug=slug).first()


def slug_of(school: School) -> str:
    with tenant_scope([school.organization]):
        return Organization.objects.get().slug


def invitations(organization: UUID) -> list[Invitation]:
    with tenant_scope([organization]):
        return list(Invitation.objects.order_by("created_at"))


def address() -> str:
    return f"{secrets.token_hex(6)}@school.example"


@pytest.fixture
def name() -> str:
    return f"Lincoln {secrets.token_hex(6)}"


def test_command_creates_organization_and_invites_its_admin(name: str) -> None:
    admin = address()
    output = run("create_organization", name, "--admin", admin)
    made = organization_of(name.lower().replace(" ", "-"))
    assert made
    assert (made.name, made.status) == (name, "active")
    assert str(made.id) in output and admin in output
    (invited,) = invitations(made.id)
    assert (invited.email, invited.role, invited.scope) == (admin, Role.ADMIN, MembershipScope.ORGANIZATION)
    assert actions(made.id) == ["organization.created", "invitation.created"]


def test_dry_run_creates_no_organization(name: str) -> None:
    slug = f"x-{secrets.token_hex(6)}"
    assert "could be" in run("create_organization", name, "--slug", slug, "--admin", address(), "--dry-run")
    assert organization_of(slug) is None
    run("create_organization", name, "--slug", slug, "--admin", address())
    taken = slug.upper()
    for words in ((), ("--dry-run",)):
        output, code = refusal("create_organization", name, "--slug", taken, "--admin", address(), *words)
        assert ("slug" in output, code) == (True, 1)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("x" * 201, "--slug", "fine", "--admin", "a@school.example"), 1),
        (("Lincoln", "--slug", "not a slug", "--admin", "a@school.example"), 1),
        (("Lincoln", "--admin", "nobody"), 1),
        (("Lincoln",), 1),
    ],
)
def test_invalid_value_creates_no_organization(words: tuple[str, ...], code: int) -> None:
    assert refusal("create_organization", *words)[1] == code


def test_person_can_be_invited_to_a_building(school: School) -> None:
    email = address()
    words = ("invite", email, "--organization", slug_of(school), "--role", "operator", "--site", "Campus", *WHY)
    assert "could be" in run(*words, "--building", "Main", "--dry-run")
    assert invitations(school.organization) == []
    assert email in run(*words, "--building", "Main")
    (invited,) = invitations(school.organization)
    assert (invited.role, invited.scope, invited.building_ids) == (Role.OPERATOR, "places", [school.building])
    assert "already" in refusal(*words)[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--site", "Nowhere"), "site: There is no such place."),
        (("--building", "Main"), "--building needs --site."),
    ],
)
def test_invitation_to_unknown_place_is_refused(school: School, words: tuple[str, ...], message: str) -> None:
    output = refusal("invite", address(), "--organization", slug_of(school), "--role", "viewer", *WHY, *words)
    assert output == (message, 1)
    assert invitations(school.organization) == []


def test_places_can_be_imported_from_a_file(school: School, tmp_path: Path) -> None:
    file = tmp_path / "places.csv"
    file.write_text(TABLE)
    words = ("import_places", str(file), "--organization", slug_of(school).upper(), *WHY)
    assert run(*words, "--dry-run") == "Would be created: 5, updated: 0, unchanged: 0.\n"
    with tenant_scope([school.organization]):
        assert not Site.objects.filter(name="North").exists()
    assert run(*words) == "Were created: 5, updated: 0, unchanged: 0.\n"
    assert run(*words) == "Were created: 0, updated: 0, unchanged: 2.\n"
    with tenant_scope([school.organization]):
        assert Room.objects.filter(floor__building__site__name="North").count() == 2


def test_command_in_a_school_is_audited_with_its_reason(school: School, tmp_path: Path) -> None:
    """Access to a school always needs a reason; a dry run is not audited."""
    file = tmp_path / "places.csv"
    file.write_text(TABLE)
    commands = (
        ("import_places", str(file), "--organization", slug_of(school)),
        ("invite", address(), "--organization", slug_of(school), "--role", "viewer"),
    )
    for words in commands:
        assert "--reason" in refusal(*words)[0]
        run(*words, *WHY, "--dry-run")
    assert "platform.command" not in actions(school.organization)
    for words in commands:
        run(*words, *WHY)
    with tenant_scope([school.organization]):
        rows = AuditEntry.objects.filter(action="platform.command").order_by("at", "id")
        assert [row.detail for row in rows] == [
            {"command": "import_places", "reason": WHY[1]},
            {"command": "invite", "reason": WHY[1]},
        ]


def test_each_error_of_a_file_is_reported_and_nothing_is_changed(school: School, admin: Caller, tmp_path: Path) -> None:
    file = tmp_path / "places.csv"
    file.write_text(f"{TABLE}North,Main,first,103,x\nNorth,,,104,=1\n")
    before = admin.read(f"organizations/{school.organization}/tree")
    output, code = refusal("import_places", str(file), "--organization", str(school.organization), *WHY)
    assert output.splitlines()[1:] == [
        "line 4, floor_number: Not a whole number from -2147483648 to 2147483647.",
        "line 5, name: This cell begins like a formula. If it is meant as text, put an apostrophe before it.",
    ]
    assert code == 1
    assert admin.read(f"organizations/{school.organization}/tree") == before


@pytest.mark.parametrize(
    "words",
    [
        ("import_places", "/nowhere.csv", "--organization", "x"),
        ("import_places", "-", "--organization", "no-such-school"),
        ("import_places", "-", "--organization", "0198c0de-0000-7000-8000-000000000000"),
        ("invite", "a@school.example", "--role", "viewer", "--organization", "no-such-school"),
        ("invite", "a@school.example", "--role", "viewer", "--organization", "0198c0de-0000-7000-8000-000000000000"),
    ],
)
def test_unknown_file_or_organization_is_reported(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TABLE.encode())))
    output, code = refusal(*words, *WHY)
    assert (output.startswith("There is no organization ") or "/nowhere.csv" in words, code) == (True, 1)


@pytest.mark.parametrize("command", ["create_organization", "invite", "import_places"])
def test_each_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        call_command(command, "--help")
    assert end.value.code == 0
    message: Any = capsys.readouterr().out
    assert "--dry-run" in message
