"""The commands of the README on a machine with only Debian and Python: as root, and as an ordinary user."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from devstack.press.hops import Result
from devstack.stack.commands import Status
from devstack.stack.processes import NAMES
from tests.fresh import machine
from tests.fresh.machine import Machine

pytestmark = [pytest.mark.fresh, pytest.mark.slow, pytest.mark.timeout(3600), pytest.mark.xdist_group("fresh")]

COMMANDS = """
trap 'status=$?; [ $status = 0 ] || ./dev logs -n 20; exit $status' EXIT
umask {umask}
cd {checkout}
./dev up --detach 2>&1
./dev press --json > {results}/first
./dev status --json > {results}/status
stat --format '%u %n' /proc/[0-9]* > {results}/users 2> /dev/null || true
./dev manage verify_audit
./dev down
./dev up --detach
./dev press --json > {results}/second
./dev down
"""
FOLDERS_OF_PROGRAMS = ("beat", "edge", "keys", "mail", "objects")
FOREIGN_FILES = "cd {checkout}/var; find {folders} ! -user {owner}"
CLOSED_BYTECODE = "find {checkout} -path '*/.venv' -prune -o -name '*.pyc' ! -perm -o=r -print"


@dataclass(frozen=True)
class Way:
    """The user and folder of a run; `programs` is the user that everything except the engines must run as."""

    checkout: str
    user: str
    programs: str
    umask: str


WAYS = [
    Way("/root/safesignal", user="root", programs="root", umask="022"),
    Way("/opt/safesignal", user="root", programs="safesignal", umask="077"),
    Way("/home/teacher/safesignal", user="teacher", programs="teacher", umask="077"),
]


@pytest.fixture(scope="module")
def bare() -> Iterator[tuple[Path, Path]]:
    """Debian's files and our wheels, prepared once for all tests."""
    reason = machine.missing()
    if reason is not None:
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="safesignal-fresh-"))
    folder.chmod(0o755)
    try:
        debian = machine.debian(folder / "debian")
        yield debian, machine.wheels(debian, folder / "wheels")
    finally:
        machine.remove(folder)


@pytest.fixture
def fresh(bare: tuple[Path, Path]) -> Iterator[Machine]:
    """A machine that has not been used."""
    debian, wheels = bare
    folder = debian.with_name("fresh")
    try:
        yield machine.unused(debian, wheels, folder)
    finally:
        machine.remove(folder)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.user}-{Path(way.checkout).parts[1]}")
def test_first_commands_work_on_a_bare_machine(fresh: Machine, way: Way) -> None:
    if way.user != "root":
        fresh.add_user(way.user)
    fresh.copy_checkout(way.checkout, owner=way.user)
    results = fresh.written / "results"
    results.mkdir()
    results.chmod(0o777)
    said = fresh.run(COMMANDS.format(umask=way.umask, checkout=way.checkout, results="/results"), user=way.user)

    for press in ("first", "second"):
        result = msgspec.json.decode((results / press).read_bytes(), type=Result)
        assert result.stored_ms is not None
        assert result.shown_ms is not None
    running = {one.name: one for one in msgspec.json.decode((results / "status").read_bytes(), type=list[Status])}
    assert {name: one.state for name, one in running.items()} == dict.fromkeys(NAMES, "running")
    users = users_by_pid((results / "users").read_text())
    programs = int(fresh.run(f"id -u {way.programs}"))
    assert {users[running[name].pid] for name in ("web", "edge", "button")} == {programs}
    assert users[running["postgres"].pid] != 0
    folders = " ".join(FOLDERS_OF_PROGRAMS)
    assert fresh.run(FOREIGN_FILES.format(checkout=way.checkout, folders=folders, owner=way.programs)) == ""
    assert fresh.run(CLOSED_BYTECODE.format(checkout=way.checkout)) == ""
    assert ("Only root can read this checkout (/root/safesignal)" in said) == (way.programs == "root")


def users_by_pid(listing: str) -> dict[int | None, int]:
    """Return the user of each process; a line is for example `0 /proc/1`."""
    pairs = (line.split() for line in listing.splitlines())
    return {int(path.rpartition("/")[2]): int(user) for user, path in pairs}
