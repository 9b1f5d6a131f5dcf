"""Modes of folders and files, independent of the umask: accessible where others need it, private otherwise."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.errors import Refusal
from devstack.machine.account import Account, myself, unprivileged
from devstack.machine.paths import (
    Needed,
    check_passable,
    check_readable,
    first_root_only,
    private_folder,
    readable_by_others,
    shared_parent,
)

OTHER_USER = Account(name="somebody", uid=54321, gid=54321)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can pass through, unlike pytest's own."""
    created = Path(tempfile.mkdtemp())
    created.chmod(0o755)
    yield created
    shutil.rmtree(created)


@pytest.fixture(params=["022", "077", "000"], autouse=True)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    outside = os.umask(int(request.param, 8))
    yield
    os.umask(outside)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_shared_parent_can_be_passed_through_and_not_listed(folder: Path) -> None:
    shared_parent(folder / "lib" / "safesignal")
    assert mode(folder / "lib" / "safesignal") == 0o711
    assert OTHER_USER.first_closed_parent(folder / "lib" / "safesignal" / "engines") is None


@pytest.mark.parametrize("wrong", [0o700, 0o777, 0o000])
def test_shared_parent_with_other_mode_is_repaired(folder: Path, wrong: int) -> None:
    (folder / "safesignal").mkdir()
    (folder / "safesignal").chmod(wrong)
    shared_parent(folder / "safesignal")
    assert mode(folder / "safesignal") == 0o711


def test_shared_parent_that_is_a_link_is_refused(folder: Path) -> None:
    (folder / "safesignal").symlink_to(folder)
    with pytest.raises(Refusal, match="belongs to another user"):
        shared_parent(folder / "safesignal")


def test_private_folder_is_accessible_to_owner_only(folder: Path) -> None:
    owner = unprivileged()
    private_folder(folder / "srv" / "school" / "var", owner)
    assert mode(folder / "srv" / "school" / "var") == 0o700
    assert (folder / "srv" / "school" / "var").stat().st_uid == owner.uid
    assert owner.first_closed_parent(folder / "srv" / "school" / "var") is None


def test_private_folder_of_current_user_has_private_parents(folder: Path) -> None:
    private_folder(folder / "a" / "b", myself())
    assert (mode(folder / "a"), mode(folder / "a" / "b")) == (0o700, 0o700)


def test_closed_parent_is_reported_with_fix(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(Refusal, match=f"cannot pass through {closed}: run chmod o\\+x '{closed}'"):
        check_passable(OTHER_USER, closed / "school" / "var")
    closed.chmod(0o711)
    check_passable(OTHER_USER, closed / "school" / "var")


@pytest.mark.parametrize("closed", ["apps/alerts/models.py", "templates/portal", "manage.py", "packages/django"])
def test_unreadable_programs_are_reported(folder: Path, closed: str) -> None:
    for name in ("apps/alerts/models.py", "templates/portal/board.html", "manage.py", "packages/django/apps.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    check_readable(OTHER_USER, folder, folder / "packages")
    (folder / closed).chmod(0o700)
    with pytest.raises(Refusal, match=f"{folder / closed} cannot be read by the user somebody"):
        check_readable(OTHER_USER, folder, folder / "packages")


def test_path_readable_only_by_root_is_identified(folder: Path) -> None:
    needed = [Needed("this checkout", folder / "checkout"), Needed("the Python", folder / "closed" / "python3")]
    for one in needed:
        one.path.parent.mkdir(mode=0o755, exist_ok=True)
        one.path.parent.chmod(0o755)
        one.path.touch()
        one.path.chmod(0o755)
    assert first_root_only(OTHER_USER, needed) is None
    (folder / "closed").chmod(0o700)
    assert first_root_only(OTHER_USER, needed) == needed[1]
    assert first_root_only(myself(), needed) is None


def test_readable_by_others_restores_the_umask(folder: Path) -> None:
    outside = os.umask(0)
    os.umask(outside)
    with readable_by_others():
        (folder / "compiled.pyc").touch()
    assert mode(folder / "compiled.pyc") == 0o644
    assert os.umask(outside) == outside
