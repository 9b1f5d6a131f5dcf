"""The system user that processes run as: the current one, or an unprivileged one instead of root."""

import contextlib
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import Refusal

SERVICE_USER = "safesignal"
# useradd's exit status when the name is in use: another ./dev created it first.
USER_EXISTS = 9


@dataclass(frozen=True)
class Account:
    """A system user. `name` is None for the current user, where no switch is necessary."""

    name: str | None
    uid: int
    gid: int

    def may_read(self, path: Path) -> bool:
        """Whether this user can reach and read `path` (by mode bits; a missing path counts as readable)."""
        return self.first_closed_parent(path) is None and self.has_read_bits(path)

    def first_closed_parent(self, path: Path) -> Path | None:
        """Return the topmost folder above `path` that this user cannot pass through."""
        if self.name is None:
            return None
        above = (folder for folder in reversed(path.parents) if folder.exists())
        return next((folder for folder in above if not self._has(folder.stat(), stat.S_IXOTH)), None)

    def has_read_bits(self, path: Path) -> bool:
        """Whether the mode of `path` lets this user read it (and enter a folder), ignoring the folders above."""
        if self.name is None or not path.exists():
            return True
        status = path.stat()
        return self._has(status, stat.S_IROTH) and (not stat.S_ISDIR(status.st_mode) or self._has(status, stat.S_IXOTH))

    def _has(self, status: os.stat_result, other_bit: int) -> bool:
        if status.st_uid == self.uid:
            return bool(status.st_mode & (other_bit << 6))
        if status.st_gid == self.gid:
            return bool(status.st_mode & (other_bit << 3))
        return bool(status.st_mode & other_bit)

    def own(self, *tops: Path) -> None:
        """Give files, and folders with their content, to this user; only for root, and only for another user."""
        if self.name is None:
            return
        for top in tops:
            for path in (top, *top.rglob("*")):
                with contextlib.suppress(FileNotFoundError):  # running programs may remove files meanwhile
                    status = path.lstat()
                    if (status.st_uid, status.st_gid) != (self.uid, self.gid):
                        os.lchown(path, self.uid, self.gid)


def myself() -> Account:
    """Return the current user."""
    return Account(name=None, uid=os.geteuid(), gid=os.getegid())


def unprivileged() -> Account:
    """Return the user for processes that must not be root, as PostgreSQL requires; create it if missing."""
    if os.geteuid() != 0:
        return myself()
    try:
        entry = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        entry = _make_user()
    return Account(name=SERVICE_USER, uid=entry.pw_uid, gid=entry.pw_gid)


def _make_user() -> pwd.struct_passwd:
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    advice = f"PostgreSQL does not run as root: run this as an ordinary user, or create a system user '{SERVICE_USER}'"
    if useradd is None:
        raise Refusal(f"{advice} (useradd is not installed).")
    options = [
        "--system",
        "--user-group",
        "--no-create-home",
        "--home-dir",
        "/nonexistent",
        "--shell",
        "/usr/sbin/nologin",
    ]
    done = subprocess.run([useradd, *options, SERVICE_USER], capture_output=True, text=True, check=False)
    if done.returncode not in (0, USER_EXISTS):
        raise Refusal(f"{advice} (useradd: {done.stderr.strip()}).")
    return pwd.getpwnam(SERVICE_USER)
