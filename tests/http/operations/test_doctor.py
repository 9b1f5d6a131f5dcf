"""The doctor reports each defect with advice, and also reports what works."""

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from apps.common import valkey
from apps.common.feed.relay import HEARTBEAT, Relay, publish_unsent
from apps.common.observability import heartbeats
from contracts import ROOT
from tests.environment import PLACE
from tests.kit.patience import WAIT_SECONDS
from tests.kit.school import School, SchoolFactory

pytestmark = pytest.mark.slow

A_BUSY_MACHINE = timedelta(minutes=10)
"""Heartbeats are dated ahead, so that none has expired when the doctor checks it."""
# Buttons of other tests' schools.
OUT_OF_SERVICE = "UPDATE devices SET status = 'maintenance' WHERE status = 'active' RETURNING id"
NOWHERE = "postgres://safesignal_app:x@/x?host=%2Fnowhere"


@dataclass(frozen=True)
class Report:
    code: int
    text: str
    errors: str

    @property
    def findings(self) -> dict[str, dict[str, str]]:
        return {one["name"]: one for one in map(json.loads, self.text.splitlines())}

    @property
    def unwell(self) -> dict[str, str]:
        return {name: one["detail"] for name, one in self.findings.items() if one["state"] == "unwell"}


def doctor(*arguments: str, **environment: str) -> Report:
    """Run the doctor in its own process, with the changed environment of this test run."""
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", *(arguments or ("--json",))],
        cwd=ROOT.parent,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=4 * WAIT_SECONDS,
    )
    assert done.returncode in (0, 1), done.stderr
    return Report(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def no_other_buttons(database: None) -> Iterator[None]:
    """Take the buttons of other tests' schools, possibly thousands, out of service during this module."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(OUT_OF_SERVICE)
        others = [row[0] for row in cursor.fetchall()]
    yield
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE devices SET status = 'active' WHERE id = ANY(%s)", [others])


@pytest.fixture
def all_at_work(no_other_buttons: None) -> Iterator[None]:
    """Fresh heartbeats of relay, beat and gateways, no waiting events, stored heads, no button in service."""
    from apps.common.audit import checkpoints

    for name in ("beat", HEARTBEAT):
        heartbeats.show(name, timezone.now() + A_BUSY_MACHINE)
    checkpoints.store_if_due(timezone.now())
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE gateways SET last_seen_at = %s", [timezone.now() + A_BUSY_MACHINE])
        cursor.execute(OUT_OF_SERVICE)  # buttons of earlier tests
    while publish_unsent():  # including the end of service of those buttons
        pass
    yield
    for name in ("beat", HEARTBEAT):
        valkey.client().delete(f"safesignal:heartbeat:{name}")


@pytest.mark.usefixtures("all_at_work")
def test_doctor_exits_with_0_when_all_is_well() -> None:
    report = doctor()
    assert (report.code, report.unwell) == (0, {})
    looked_at = {name for name, one in report.findings.items() if one["state"] == "well"}
    assert looked_at == {
        "token key", "configuration key", "audit key",
        "postgresql as app", "postgresql as system", "postgresql as owner",
        "row-level security", "migrations", "outbox",
        "valkey", "cache", "queue", "relay", "beat", "object storage", "audit heads", "mail",
        "clock", "clock of Valkey", "gateways", "buttons",
    }  # fmt: skip
    assert [one for one in report.findings.values() if one["advice"]] == []


@pytest.mark.usefixtures("all_at_work")
@pytest.mark.parametrize(
    ("names", "variable", "value", "advice"),
    [
        ({"token key"}, "SAFESIGNAL_TOKEN_KEYS_DIR", "/nowhere/tokens", "make-secrets"),
        ({"postgresql as app"}, "DATABASE_URL", "postgres://safesignal_app:x@/x?host=%2Fnowhere", "DATABASE_URL"),
        ({"postgresql as system"}, "DATABASE_SYSTEM_URL", "postgres://x:x@/x?host=%2Fnowhere", "DATABASE_SYSTEM_URL"),
        ({"valkey", "relay", "beat"}, "VALKEY_URL", "unix:///nowhere/valkey?db=0", "VALKEY_URL"),
        ({"cache"}, "CACHE_URL", "unix:///nowhere/valkey?db=1", "CACHE_URL"),
        ({"queue"}, "CELERY_BROKER_URL", "redis+socket:///nowhere/valkey", "CELERY_BROKER_URL"),
        ({"mail"}, "SAFESIGNAL_EMAIL_URL", "smtp://127.0.0.1:9", "SAFESIGNAL_EMAIL_URL"),
        ({"object storage"}, "SAFESIGNAL_OBJECTS_DIR", "/proc/nowhere", "SAFESIGNAL_OBJECTS_DIR"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isupper() else "",
)
def test_doctor_names_an_unavailable_part_with_advice(names: set[str], variable: str, value: str, advice: str) -> None:
    report = doctor(**{variable: value})
    assert report.code == 1
    assert names <= set(report.unwell) <= names | {"audit heads"}
    assert any(advice in report.findings[name]["advice"] for name in names)
    assert all(report.findings[name]["advice"] for name in names)


@pytest.mark.usefixtures("all_at_work")
def test_doctor_accepts_a_role_without_a_url() -> None:
    report = doctor(DATABASE_OWNER_URL="", DATABASE_SYSTEM_URL="", SAFESIGNAL_AUDIT_KEY_FILE="")
    assert report.code == 0
    assert report.findings["postgresql as owner"]["state"] == "not here"
    assert report.findings["migrations"]["state"] == "not here"


@pytest.mark.usefixtures("all_at_work")
def test_doctor_reports_a_role_that_bypasses_row_level_security() -> None:
    report = doctor(DATABASE_URL=os.environ["DATABASE_OWNER_URL"])
    assert report.unwell["postgresql as app"] == "it is safesignal_owner"


@pytest.mark.usefixtures("all_at_work")
def test_doctor_reports_a_table_without_tenant_isolation() -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE sites NO FORCE ROW LEVEL SECURITY")
    try:
        report = doctor()
    finally:
        with connections["owner"].cursor() as cursor:
            cursor.execute("ALTER TABLE sites FORCE ROW LEVEL SECURITY")
    assert report.unwell == {"row-level security": "open between schools: sites"}
    assert "ALTER TABLE sites ENABLE ROW LEVEL SECURITY" in report.findings["row-level security"]["advice"]


@pytest.mark.usefixtures("all_at_work")
def test_doctor_reports_an_unapplied_migration() -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "DELETE FROM django_migrations WHERE id ="
            " (SELECT max(id) FROM django_migrations WHERE app = 'tenancy') RETURNING name"
        )
        (name,) = cursor.fetchone()
    try:
        report = doctor()
    finally:
        with connections["owner"].cursor() as cursor:
            cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('tenancy', %s, now())", [name])
    assert f"tenancy.{name}" in report.unwell["migrations"]
    assert report.findings["migrations"]["advice"] == "python manage.py migrate --database owner"


@pytest.mark.usefixtures("all_at_work")
def test_doctor_reports_programs_without_a_recent_heartbeat() -> None:
    heartbeats.show("beat", timezone.now() - timedelta(minutes=5))
    heartbeats.show(HEARTBEAT, timezone.now() - timedelta(minutes=5))
    report = doctor()
    assert set(report.unwell) == {"beat", "relay"}
    assert "manage.py relay" in report.findings["relay"]["advice"]


def test_running_relay_records_its_heartbeat() -> None:
    valkey.client().delete(f"safesignal:heartbeat:{HEARTBEAT}")
    asked, before = iter([False, False, True, True]), timezone.now()
    Relay(lambda: next(asked)).run()
    last = heartbeats.last(HEARTBEAT)
    assert last is not None and last >= before


@pytest.mark.usefixtures("all_at_work")
def test_doctor_reports_readable_and_reused_keys(tmp_path: Path) -> None:
    copy = tmp_path / "copy.pem"
    (key,) = Path(os.environ["SAFESIGNAL_TOKEN_KEYS_DIR"]).iterdir()
    copy.write_bytes(key.read_bytes())
    copy.chmod(0o644)
    report = doctor(SAFESIGNAL_CONFIG_KEY_FILE=str(copy))
    assert report.unwell == {"configuration key": f"{copy} can be read by others (644)"}
    assert report.findings["configuration key"]["advice"] == f"chmod 600 {copy}"
    copy.chmod(0o600)
    assert doctor(SAFESIGNAL_CONFIG_KEY_FILE=str(copy)).unwell == {"configuration key": "it is the token key"}


@pytest.mark.usefixtures("all_at_work")
def test_doctor_text_output_has_a_line_per_check_and_advice() -> None:
    lines = doctor("--no-color", SAFESIGNAL_EMAIL_URL="smtp://127.0.0.1:9").text.splitlines()
    number = next(number for number, line in enumerate(lines) if "mail" in line)
    assert lines[number].startswith("UNWELL")
    assert lines[number + 1].strip().startswith("-> Set SAFESIGNAL_EMAIL_URL right")
    assert lines[0].startswith("well")


@pytest.fixture
def own_school(all_at_work: None) -> tuple[School, str]:
    """A school whose name sorts before those of other tests, and that name."""
    school, slug = SchoolFactory.create(), f"00000-{secrets.token_hex(8)}"
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE organizations SET slug = %s WHERE id = %s", [slug, school.organization])
        cursor.execute(
            "UPDATE gateways SET last_seen_at = %s WHERE id = %s", [timezone.now() + A_BUSY_MACHINE, school.gateway]
        )
        cursor.execute("UPDATE devices SET status = 'inactive' WHERE organization_id = %s", [school.organization])
    return school, slug


def set_device(device: str, status: str, last_seen: str) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            f"UPDATE devices SET status = %s, last_seen_at = {last_seen} WHERE device_id = %s", [status, device]
        )


def test_doctor_counts_gateways_and_names_one_that_is_missing(own_school: tuple[School, str]) -> None:
    school, slug = own_school
    counted = re.fullmatch(r"(\d+) of (\d+) report", doctor().findings["gateways"]["detail"])
    assert counted and counted[1] == counted[2]
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE gateways SET last_seen_at = now() - interval '1 hour' WHERE id = %s", [school.gateway])
    report = doctor()
    assert report.code == 1
    assert report.unwell["gateways"].startswith(f"{int(counted[1]) - 1} of {counted[2]} report; missing: {slug}/")
    assert "(last heard " in report.unwell["gateways"]


def test_gateway_that_fetches_its_configuration_counts_as_reporting(own_school: tuple[School, str]) -> None:
    school, _ = own_school
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE gateways SET last_seen_at = NULL WHERE id = %s", [school.gateway])
    assert "(never heard)" in doctor().unwell["gateways"]
    answer = Client(headers={"authorization": f"Bearer {school.gateway_token}"}).get("/api/v1/edge/config")
    assert answer.status_code == 200
    assert doctor().findings["gateways"]["state"] == "well"


def test_doctor_counts_buttons_and_names_one_that_stopped_reporting(own_school: tuple[School, str]) -> None:
    school, slug = own_school
    set_device(school.device, "active", "now()")
    assert doctor().findings["buttons"]["detail"] == "1 of 1 active report, 0 never did"
    set_device(school.device, "active", "now() - interval '2 hours'")
    assert doctor().unwell["buttons"] == f"0 of 1 active report, 0 never did; missing: {slug}/{school.device}"


def test_doctor_names_a_button_without_a_gateway(own_school: tuple[School, str]) -> None:
    school, slug = own_school
    set_device(school.other_device, "active", "NULL")
    finding = doctor().unwell["buttons"]
    assert finding == f"0 of 1 active report, 1 never did; no gateway for {slug}/{school.other_device}"


def test_doctor_reports_unknown_without_the_system_role(all_at_work: None) -> None:
    report = doctor(DATABASE_SYSTEM_URL="", SAFESIGNAL_AUDIT_KEY_FILE="")
    assert {report.findings[name]["state"] for name in ("gateways", "buttons")} == {"not here"}


@pytest.mark.usefixtures("all_at_work")
def test_doctor_leaves_no_files_or_folders() -> None:
    before = written()
    assert doctor().code == 0
    assert written() == before


def written() -> list[Path]:
    """Return the paths in the folders of objects and e-mails."""
    return [path for folder in (PLACE.objects, PLACE.mail) for path in sorted(folder.rglob("*"))]


@pytest.mark.usefixtures("all_at_work")
@pytest.mark.parametrize("variable", ["SAFESIGNAL_OBJECTS_DIR", "SAFESIGNAL_EMAIL_URL"])
def test_doctor_does_not_create_a_missing_folder(variable: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    report = doctor(**{variable: f"filemail:///{missing}" if variable == "SAFESIGNAL_EMAIL_URL" else str(missing)})
    assert str(missing) in " ".join(report.unwell.values())
    assert not missing.exists()


@pytest.mark.usefixtures("all_at_work")
def test_doctor_prints_no_log_lines_for_people() -> None:
    """Nor on standard error, which a terminal displays beside it."""
    away = {"VALKEY_URL": "unix:///nowhere/v?db=0", "CACHE_URL": "unix:///nowhere/v?db=1", "DATABASE_URL": NOWHERE}
    report = doctor("--no-color", **away)
    assert "UNWELL" in report.text
    assert "{" not in report.text
    assert report.errors == ""


def test_the_help_says_the_exit_codes() -> None:
    text = " ".join(doctor("--help").text.split())
    assert "Exit code 0: all is well; 1: something is not." in text
