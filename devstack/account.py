"""Which system user the processes run as: oneself, or, for root, a user with no rights of its own."""

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
# useradd's exit code when the name is in use: another ./dev was quicker.
SOMEBODY_ELSE_MADE_IT = 9


@dataclass(frozen=True)
class Account:
    """A system user. `name` is None when it is whoever runs this, so nobody has to be switched to."""

    name: str | None
    uid: int
    gid: int

    def may_read(self, path: Path) -> bool:
        """Whether this user gets to `path` and may read it (by mode bits; what is missing counts as readable)."""
        return self.first_closed_parent(path) is None and self.has_read_bits(path)

    def first_closed_parent(self, path: Path) -> Path | None:
        """The topmost folder above `path` that this user cannot pass through."""
        if self.name is None:
            return None
        above = (folder for folder in reversed(path.parents) if folder.exists())
        return next((folder for folder in above if not self._has(folder.stat(), stat.S_IXOTH)), None)

    def has_read_bits(self, path: Path) -> bool:
        """Whether the mode of `path` lets this user read it, and enter it if it is a folder; not what lies above."""
        if self.name is None or not path.exists():
            return True
        found = path.stat()
        return self._has(found, stat.S_IROTH) and (not stat.S_ISDIR(found.st_mode) or self._has(found, stat.S_IXOTH))

    def _has(self, found: os.stat_result, other_bit: int) -> bool:
        if found.st_uid == self.uid:
            return bool(found.st_mode & (other_bit << 6))
        if found.st_gid == self.gid:
            return bool(found.st_mode & (other_bit << 3))
        return bool(found.st_mode & other_bit)

    def own(self, *tops: Path) -> None:
        """Give files, and folders with all that is in them, to this user (only root does, and only for another)."""
        if self.name is None:
            return
        for top in tops:
            for path in (top, *top.rglob("*")):
                with contextlib.suppress(FileNotFoundError):  # programs that run remove files meanwhile
                    found = path.lstat()
                    if (found.st_uid, found.st_gid) != (self.uid, self.gid):
                        os.lchown(path, self.uid, self.gid)


def myself() -> Account:
    """Whoever runs this."""
    return Account(name=None, uid=os.geteuid(), gid=os.getegid())


def unprivileged() -> Account:
    """The user for what need not be root (PostgreSQL refuses to be): made when missing."""
    if os.geteuid() != 0:
        return myself()
    try:
        entry = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        entry = _make_user()
    return Account(name=SERVICE_USER, uid=entry.pw_uid, gid=entry.pw_gid)


def _make_user() -> pwd.struct_passwd:
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    advice = f"PostgreSQL does not run as root: run this as an ordinary user, or make a system user '{SERVICE_USER}'"
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
    made = subprocess.run([useradd, *options, SERVICE_USER], capture_output=True, text=True, check=False)
    if made.returncode not in (0, SOMEBODY_ELSE_MADE_IT):
        raise Refusal(f"{advice} (useradd: {made.stderr.strip()}).")
    return pwd.getpwnam(SERVICE_USER)
