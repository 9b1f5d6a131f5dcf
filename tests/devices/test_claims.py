"""A device is registered with the claim code in its box."""

import secrets
from pathlib import Path

import pytest
from pytest_django import Settings

from apps.common.db.scope import system_scope
from apps.devices.models import DeviceClaim
from tests.devices.test_device_tables import devices, imports
from tests.kit.callers import Caller, admin_of
from tests.kit.school import School, SchoolFactory, device_name
from tests.kit.tables import counts, faults, sent
from tests.tenancy.test_commands import refusal, run

pytestmark = pytest.mark.slow


def new_code() -> str:
    return secrets.token_hex(10).upper()


def load(tmp_path: Path, *claims: tuple[str, str]) -> str:
    file = tmp_path / "delivery.csv"
    file.write_text("device_id,code\n" + "".join(f"{device},{code}\n" for device, code in claims))
    return run("load_device_claims", str(file))


def table(device: str, code: str) -> str:
    return f"device_id,claim_code\n{device},{code}\n"


@pytest.fixture(autouse=True)
def required(settings: Settings) -> None:
    """As in production."""
    settings.DEVICE_CLAIMS_REQUIRED = True


@pytest.fixture
def claimed(tmp_path: Path) -> tuple[str, str]:
    """A delivered device and its claim code."""
    device, code = device_name(), new_code()
    assert load(tmp_path, (device, code)) == "Loaded: 1.\n"
    return device, code


def test_device_is_registered_with_its_claim_code(school: School, admin: Caller, claimed: tuple[str, str]) -> None:
    device, code = claimed
    spaced = f"{code[:5].lower()}-{code[5:]}"
    assert counts(sent(admin, imports(school), table(device, spaced))) == (1, 0, 0)
    assert counts(sent(admin, imports(school), table(device, ""))) == (0, 0, 1)


@pytest.mark.parametrize("code", ["", "WRONG-WRONG-WRONG"])
def test_device_is_refused_without_its_claim_code(
    school: School, admin: Caller, claimed: tuple[str, str], code: str
) -> None:
    before = devices(school)
    assert faults(sent(admin, imports(school), table(claimed[0], code))) == [(2, "claim_code")]
    assert devices(school) == before


def test_device_cannot_be_registered_by_another_school(school: School, admin: Caller, claimed: tuple[str, str]) -> None:
    """A guess is refused without effect; afterwards the code works for its holder, and only once."""
    device, code = claimed
    thief = SchoolFactory.create()
    attempt = sent(admin_of(thief.organization), imports(thief), table(device, new_code()))
    assert faults(attempt) == [(2, "claim_code")]
    assert counts(sent(admin, imports(school), table(device, code))) == (1, 0, 0)
    late = sent(admin_of(thief.organization), imports(thief), table(device, code))
    assert faults(late) == [(2, "claim_code")]


def test_unknown_device_is_refused_when_claims_are_required(school: School, admin: Caller, settings: Settings) -> None:
    unknown = table(device_name(), new_code())
    assert faults(sent(admin, imports(school), unknown)) == [(2, "claim_code")]
    settings.DEVICE_CLAIMS_REQUIRED = False
    assert counts(sent(admin, imports(school), unknown)) == (1, 0, 0)


@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_refused_or_dry_run_import_claims_no_device(
    school: School, admin: Caller, claimed: tuple[str, str], dry_run: str
) -> None:
    device, code = claimed
    other = table(device, code) + ("" if dry_run == "true" else f"{device_name()},\n")
    answer = sent(admin, imports(school), other, dry_run=dry_run)
    assert answer.status_code == (200 if dry_run == "true" else 400)
    with system_scope():
        assert DeviceClaim.objects.using("system").get(device_id=device).claimed_by is None


def test_loading_claims_again_keeps_claimed_devices(
    school: School, admin: Caller, claimed: tuple[str, str], tmp_path: Path
) -> None:
    device, code = claimed
    sent(admin, imports(school), table(device, code))
    assert load(tmp_path, (device, new_code()), (device_name(), new_code())) == "Loaded: 1.\n"


def test_claim_code_is_stored_as_a_hash(claimed: tuple[str, str]) -> None:
    with system_scope():
        stored = bytes(DeviceClaim.objects.using("system").get(device_id=claimed[0]).code_hash)
    assert len(stored) == 32
    assert claimed[1].encode() not in stored


def test_load_names_the_invalid_line(tmp_path: Path) -> None:
    file = tmp_path / "delivery.csv"
    file.write_text(f"device_id,code\n{device_name()},short\n")
    message, status = refusal("load_device_claims", str(file))
    assert "line 2, code" in message
    assert status == 1
