"""A bare Debian 12 in a folder: without SafeSignal, and independent of this machine's installation.

Commands run in their own namespaces: mounts there do not exist here, and every process of the machine ends with the
command, however that ends. So nothing has to be unmounted before the folder is removed.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from devstack.bootstrap import ONE_MACHINE_LOCK
from devstack.machine.paths import ROOT

RELEASE: Final = "bookworm"
PACKAGES: Final = "python3,python3-venv,ca-certificates"
WHEELS: Final = "/wheels"
VERSION: Final = "import platform; print(platform.python_version())"
# dpkg(1), --force-things: the machine is deleted after the tests.
WITHOUT_FSYNC: Final = "DPKG_FORCE=unsafe-io"
SECONDS: Final = 3000
# Enough output of a failed command.
LAST_CHARACTERS: Final = 8000
ISOLATED: Final = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=SIGKILL", "--")


@dataclass(frozen=True)
class Machine:
    """A bare Debian with a folder for what it writes: an overlay, so that Debian itself is shared and not copied."""

    debian: Path
    wheels: Path
    folder: Path

    @property
    def written(self) -> Path:
        """The files that this machine has written."""
        return self.folder / "written"

    def run(self, script: str, *, user: str = "root") -> str:
        """Run a shell script as a user of the machine; return its output. Raises AssertionError when it fails."""
        parts = (self.folder / "root", self.debian, self.written, self.folder / "work")
        top, debian, written, work = (shlex.quote(str(path)) for path in parts)
        mounts = [
            f"mount -t overlay -o lowerdir={debian},upperdir={written},workdir={work} overlay {top}",
            f"mount -t proc proc {top}/proc",
            f"mount -t tmpfs -o mode=1777 tmpfs {top}/dev/shm",
            f"mount --bind -o ro {shlex.quote(str(self.wheels))} {top}{WHEELS}",
        ]
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root" if user == "root" else f"/home/{user}",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": WHEELS,
            # Others may run on this machine at the same time, and the ports are shared.
            "SAFESIGNAL_HTTP_PORT": "0",
            "SAFESIGNAL_MQTT_PORT": "0",
        }
        variables = shlex.join(f"{name}={value}" for name, value in environment.items())
        inside = f"exec chroot --userspec={user}: {top} env -i {variables} sh -eu -c {shlex.quote(script)}"
        return finished([*ISOLATED, "sh", "-eu", "-c", "\n".join([*mounts, inside])], "The script")

    def add_user(self, name: str) -> None:
        """Add an ordinary user with a home folder."""
        self.run(f"useradd --create-home {name}")

    def copy_checkout(self, target: str, *, owner: str = "root") -> None:
        """Copy this checkout as git lists it, with uncommitted changes; `owner` owns all of it."""
        listed = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
        # Moved to its place there: the folders above it must keep their owner and mode.
        checkout = self.written / "checkout"
        for name in filter(None, names):
            if (ROOT / name).exists():
                (checkout / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, checkout / name, follow_symlinks=False)
        self.run(f"mv /checkout {target}; chown -R {owner}: {target}")


def finished(command: list[str], what: str) -> str:
    """Return the output of a command that must succeed. Raises AssertionError with the end of its output."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"{what} failed:\n{(done.stdout + done.stderr)[-LAST_CHARACTERS:]}"
    return done.stdout


def missing() -> str | None:
    """Return why no bare machine can be created here, or None."""
    if os.geteuid() != 0:
        return "only root can make a bare machine: run the tests as root"
    for program, package in (("debootstrap", "debootstrap"), ("unshare", "util-linux"), ("git", "git")):
        if shutil.which(program) is None:
            return f"{program} is not installed (Debian: apt install {package})"
    return None


def debian(folder: Path) -> Path:
    """Create the files of a bare Debian, without any mount."""
    options = ["--variant=minbase", f"--include={PACKAGES}"]
    finished([*ISOLATED, "env", WITHOUT_FSYNC, "debootstrap", *options, RELEASE, str(folder)], "debootstrap")
    (folder / "etc" / "hosts").write_text("127.0.0.1 localhost\n")
    (folder / WHEELS.lstrip("/")).mkdir()
    return folder


def wheels(rootfs: Path, folder: Path) -> Path:
    """Download what `./dev up` installs there, as this machine's pip is configured."""
    version = finished(["chroot", str(rootfs), "python3", "-c", VERSION], "python3").strip()
    lock = folder.with_suffix(".txt")
    lock.write_text(without_markers((ROOT / ONE_MACHINE_LOCK).read_text(), version))
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--require-hashes"]
    target = ["--no-deps", "--only-binary=:all:", "--python-version", version]
    finished([*pip, *target, "-r", str(lock), "-d", str(folder)], "pip download")
    return folder


def without_markers(lock: str, version: str) -> str:
    """Return the part of a lock file for this system and a Python of this version: pip evaluates its own Python."""
    environment = {"python_full_version": version, "python_version": ".".join(version.split(".")[:2])}
    kept = []
    for requirement in re.findall(r"^[^#\s].*(?:\n\s.*)*", lock, flags=re.MULTILINE):
        pin, _, rest = requirement.partition(" \\\n")
        pinned = Requirement(pin)
        if pinned.marker is None or pinned.marker.evaluate(environment):
            kept.append(f"{pin.partition(';')[0].strip()} \\\n{rest}")
    return "\n".join(kept) + "\n"


def unused(debian: Path, wheels: Path, folder: Path) -> Machine:
    """Create a machine on which nothing has run yet."""
    for name in ("root", "written", "work"):
        (folder / name).mkdir(parents=True)
    return Machine(debian, wheels, folder)


def remove(folder: Path) -> None:
    """Remove a machine's files, and refuse if anything is mounted in them."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    inside = [line.split()[4] for line in mounts if line.split()[4].startswith(f"{folder}/")]
    assert inside == [], f"mounted below {folder}: {inside}"
    shutil.rmtree(folder)
