"""Keep `.venv` in sync with the lock files, then run `python -m devstack`.

Runs under the system's Python before anything is installed, so it uses the standard library only.
Installs packages only when the checksum of a lock file differs from the stamp of the last installation.
"""

import fcntl
import hashlib
import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ONE_MACHINE_LOCK = "requirements-one-machine.txt"
DEVELOPMENT_LOCK = "requirements-dev.txt"
# These commands need pytest, ruff and similar packages; every other command uses the one-machine set.
DEVELOPMENT_COMMANDS = frozenset({"test", "check", "bench"})


class Stop(Exception):
    """An error message to print before exiting."""


def checksum(lock: Path) -> str:
    """Return the stamp of an installation: the lock file's hash and the Python version."""
    return f"{hashlib.sha256(lock.read_bytes()).hexdigest()} {sys.version_info.major}.{sys.version_info.minor}\n"


def this_python() -> tuple[str, str]:
    """Return version and resolved path of the running Python; the path distinguishes CPython from PyPy."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    return platform.python_version(), os.path.realpath(base)


def python_of(venv: Path) -> tuple[str, str]:
    """Return the same for the Python that created a virtual environment, as recorded by `venv` in pyvenv.cfg."""
    try:
        lines = (venv / "pyvenv.cfg").read_text().splitlines()
    except FileNotFoundError:
        return "", ""
    config = dict(line.partition(" = ")[::2] for line in lines)
    return config.get("version", ""), config.get("executable", "")


def usable(venv: Path) -> bool:
    """Whether this virtual environment exists and was created by the running Python."""
    return (venv / "bin" / "python").exists() and python_of(venv) == this_python()


def stamp(venv: Path, lock: str) -> Path:
    """Return the file that records which version of this lock file was installed."""
    return venv / f".installed-{lock}"


def installed(venv: Path, lock: str) -> bool:
    """Whether exactly this lock file was the last one installed completely."""
    try:
        return stamp(venv, lock).read_text() == checksum(ROOT / lock)
    except FileNotFoundError:
        return False


def need(command: str | None, venv: Path) -> str | None:
    """Return the lock file that must be installed for `command`, or None.

    The development set contains the one-machine set (which constrains its compilation), so a machine
    that once ran the tests keeps using the development set.
    """
    if command in DEVELOPMENT_COMMANDS or stamp(venv, DEVELOPMENT_LOCK).exists():
        wanted = DEVELOPMENT_LOCK
    else:
        wanted = ONE_MACHINE_LOCK
    complete = usable(venv) and all(installed(venv, lock) for lock in {wanted, ONE_MACHINE_LOCK})
    return None if complete else wanted


def python_package() -> str:
    """Return the Debian and Ubuntu package that provides venv and pip for this Python."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}-venv"


def make_venv(venv: Path) -> None:
    """Create an empty virtual environment, replacing a broken one or one of another Python."""
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        advice = f"install it first (Debian, Ubuntu: apt install {python_package()})"
        raise Stop(f"This Python has no {' and no '.join(missing)}: {advice}.")
    command = [sys.executable, "-m", "venv", "--clear", str(venv)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
        raise Stop(f"Cannot make {venv}: {last[0]} (Debian, Ubuntu: apt install {python_package()}).")


def has_pip(python: Path) -> bool:
    """Whether this virtual environment works."""
    return subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def install(venv: Path, lock: str) -> None:
    """Install a lock file; its stamp is written only after a complete installation."""
    python = venv / "bin" / "python"
    if not (usable(venv) and has_pip(python)):
        if python.exists() and python_of(venv) != this_python():
            print(f"{venv} was made with another Python than {this_python()[1]}: making it again.", file=sys.stderr)
        make_venv(venv)
    print(f"Installing the packages of {lock} into {venv} (the first time takes a minute or two) ...", file=sys.stderr)
    for name in (ONE_MACHINE_LOCK, DEVELOPMENT_LOCK):
        stamp(venv, name).unlink(missing_ok=True)
    pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--root-user-action=ignore"]
    done = subprocess.run([*pip, "--require-hashes", "--no-deps", "-r", str(ROOT / lock)], check=False)
    if done.returncode != 0:
        raise Stop(f"Installing {lock} failed (see above). Nothing was started.")
    for name in {lock, ONE_MACHINE_LOCK}:
        stamp(venv, name).write_text(checksum(ROOT / name))


def ensure(venv: Path, command: str | None) -> None:
    """Install the packages that `command` needs, one process at a time."""
    if need(command, venv) is None:
        return
    with (ROOT / ONE_MACHINE_LOCK).open() as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        wanted = need(command, venv)
        if wanted is not None:
            install(venv, wanted)


def main() -> None:
    """Run the script `dev`."""
    os.umask(0o022)
    venv = ROOT / ".venv"
    try:
        ensure(venv, sys.argv[1] if len(sys.argv) > 1 else None)
    except Stop as stop:
        print(stop, file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        print(f"Cannot keep {venv} in step with the lock files: {error.strerror}: {error.filename}", file=sys.stderr)
        sys.exit(1)
    python = str(venv / "bin" / "python")
    # -P: modules in the current directory are not imported.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    os.execve(python, [python, "-P", "-m", "devstack", *sys.argv[1:]], environment)  # noqa: S606  (no shell wanted)


if __name__ == "__main__":
    main()
