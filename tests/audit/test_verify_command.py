"""`manage.py verify_audit` as an operator runs it: it reports the first broken link, also by its exit code."""

import json
import secrets
from io import StringIO
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from apps.common.audit import checkpoints
from apps.common.db.ids import new_id
from apps.common.db.scope import system_scope
from apps.tenancy.models import Organization
from tests.audit.test_chain import fill
from tests.kit.trail import tamper


@pytest.fixture
def organization() -> UUID:
    return new_id()


@pytest.fixture
def trail(organization: UUID) -> list[UUID]:
    return fill(organization)


@pytest.fixture(autouse=True)
def own_storage(settings: Settings, tmp_path: Path) -> None:
    """A storage for the checkpoints of this test alone."""
    default = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "objects")},
    }
    settings.STORAGES = {**settings.STORAGES, "default": default}


def verify(*arguments: str) -> tuple[int, str]:
    """The exit code and the output."""
    out = StringIO()
    try:
        call_command("verify_audit", *arguments, stdout=out)
    except SystemExit as exit:
        return int(str(exit.code)), out.getvalue()
    return 0, out.getvalue()


def test_intact_trail_is_reported_as_whole(organization: UUID, trail: list[UUID]) -> None:
    code, text = verify("--organization", str(organization))
    assert (code, text) == (0, f"{organization}: whole, 9 entries, 0 not in the chain yet\n")


def test_changed_row_is_reported(organization: UUID, trail: list[UUID]) -> None:
    tamper("UPDATE audit_entries SET action = 'site.read' WHERE id = %s", trail[3])
    code, text = verify("--organization", str(organization))
    assert code == 1
    assert text.startswith(f"{organization}: BROKEN at 4, entry {trail[3]}: changed: ")


def test_all_chains_are_verified_unless_one_is_named(organization: UUID, trail: list[UUID]) -> None:
    other = new_id()
    fill(other)
    tamper("DELETE FROM audit_entries WHERE id = %s", trail[0])
    lines = verify()[1].splitlines()
    assert any(line.startswith(f"{other}: whole") for line in lines)
    assert any(line.startswith(f"{organization}: BROKEN at 1,") for line in lines)
    assert any(line.startswith("platform: ") for line in lines)
    assert verify("--organization", str(other))[0] == 0


def test_json_output_has_one_line_per_chain(organization: UUID, trail: list[UUID]) -> None:
    tamper("DELETE FROM audit_entries WHERE id = %s", trail[8])
    tamper("UPDATE audit_entries SET action = 'x' WHERE id = %s", trail[1])
    code, text = verify("--organization", str(organization), "--json")
    (verdict,) = map(json.loads, text.splitlines())
    assert code == 1
    assert verdict["organization_id"] == str(organization)
    assert (verdict["broken"]["fault"], verdict["broken"]["position"]) == ("changed", 2)


def test_cut_tail_is_found_by_the_stored_checkpoints(organization: UUID, trail: list[UUID]) -> None:
    checkpoints.store_if_due(timezone.now())
    tamper("DELETE FROM audit_entries WHERE id = ANY(%s)", trail[7:])
    code, text = verify("--organization", str(organization))
    assert code == 1
    assert f"{organization}: BROKEN at 8: cut tail: a stored head knew 9 entries" in text


def test_checkpoint_signed_with_another_key_is_forged_unless_the_key_is_named(
    organization: UUID, trail: list[UUID], settings: Settings, tmp_path: Path
) -> None:
    ours, older = settings.AUDIT_KEY_FILE, tmp_path / "older.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    older.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = tmp_path / "public.pem"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    settings.AUDIT_KEY_FILE = older
    name = checkpoints.store_if_due(timezone.now())
    assert name is not None
    settings.AUDIT_KEY_FILE = ours
    code, text = verify("--organization", str(organization))
    assert code == 1 and f"{Path(name).name}: FORGED" in text
    assert verify("--organization", str(organization), "--public-key", str(public))[0] == 0


@pytest.mark.parametrize("wrong", [["--organization", "lincoln"], ["--public-key", "/nowhere/key.pem"]])
def test_unreadable_input_has_a_nonzero_exit_code(wrong: list[str]) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("verify_audit", *wrong)
    assert refused.value.returncode != 0
    assert wrong[0].lstrip("-").split("-")[0] in str(refused.value) or "nowhere" in str(refused.value)


def test_unknown_organization_is_an_error() -> None:
    for unknown in (str(new_id()), "no-such-school"):
        with pytest.raises(CommandError, match=f"There is no organization {unknown}") as refused:
            call_command("verify_audit", "--organization", unknown)
        assert refused.value.returncode == 2


def test_organization_can_be_named_by_its_slug() -> None:
    name = f"Lincoln {secrets.token_hex(6)}"
    call_command("create_organization", name, "--admin", "ana@lincoln.example", stdout=StringIO())
    slug = name.lower().replace(" ", "-")
    with system_scope():
        organization = Organization.objects.get(slug=slug)
    code, text = verify("--organization", slug)
    assert code == 0
    assert text.startswith(f"{organization.id}: whole, ")


def test_completely_removed_chain_is_reported_as_broken(organization: UUID, trail: list[UUID]) -> None:
    checkpoints.store_if_due(timezone.now())
    tamper("DELETE FROM audit_entries WHERE id = ANY(%s)", trail)
    code, text = verify("--organization", str(organization))
    assert code == 1
    assert f"{organization}: BROKEN" in text


def test_help_lists_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("verify_audit", "--help")
    assert "Exit code 0: whole; 1: a link is broken" in " ".join(capsys.readouterr().out.split())
