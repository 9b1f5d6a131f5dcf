"""The script `dev` before any installation, on copies of the few files that it needs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from devstack.bootstrap import DEVELOPMENT_LOCK, ONE_MACHINE_LOCK
from devstack.machine.paths import ROOT

pytestmark = pytest.mark.stack

WITHOUT = """#!/bin/sh
# A Python like Debian's without python3-venv.
case "$*" in
    *bootstrap.py*) exec {python} -c '
import runpy, sys
sys.modules["{missing}"] = None
sys.argv = sys.argv[3:]
runpy.run_path(sys.argv[0], run_name="__main__")' "$@" ;;
    *) exec {python} "$@" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with empty lock files and a program that only prints its arguments."""
    folder = tmp_path / "a checkout"
    (folder / "devstack").mkdir(parents=True)
    shutil.copy(ROOT / "dev", folder)
    shutil.copy(ROOT / "devstack" / "bootstrap.py", folder / "devstack")
    (folder / "devstack" / "__main__.py").write_text("import sys; print(sys.prefix, *sys.argv[1:])\n")
    (folder / "devstack" / "__init__.py").touch()
    for name in (ONE_MACHINE_LOCK, DEVELOPMENT_LOCK):
        (folder / name).write_text("# nothing\n")
    return folder


def dev(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(checkout), "SAFESIGNAL_PYTHON": sys.executable, **variables}
    return subprocess.run(
        [checkout / "dev", *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_dev_installs_once_and_runs_command(checkout: Path) -> None:
    first = dev(checkout, "status", "--json")
    assert first.stdout.split(checkout.name)[-1] == "/.venv status --json\n"
    assert "Installing" in first.stderr
    second = dev(checkout, "status")
    assert (second.returncode, second.stderr) == (0, "")


def test_changed_lock_file_is_installed(checkout: Path) -> None:
    dev(checkout, "status")
    (checkout / ONE_MACHINE_LOCK).write_text("# nothing new\n")
    assert ONE_MACHINE_LOCK in dev(checkout, "status").stderr
    assert dev(checkout, "status").stderr == ""


def test_development_set_includes_runtime_set(checkout: Path) -> None:
    """`up` and `test` do not reinstall each other's packages."""
    dev(checkout, "up")
    assert DEVELOPMENT_LOCK in dev(checkout, "test").stderr
    assert dev(checkout, "up").stderr == ""
    assert dev(checkout, "test").stderr == ""


def test_concurrent_runs_install_once(checkout: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "SAFESIGNAL_PYTHON": sys.executable}
    command = [str(checkout / "dev"), "status"]
    both = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    messages = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("Installing" in text for text in messages) == 1


def test_package_with_wrong_hash_is_refused(checkout: Path) -> None:
    (checkout / ONE_MACHINE_LOCK).write_text("six==1.17.0 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    done = dev(checkout, "status")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"Installing {ONE_MACHINE_LOCK} failed (see above). Nothing was started."
    assert "Installing" in dev(checkout, "status").stderr


def test_broken_environment_is_recreated(checkout: Path) -> None:
    dev(checkout, "status")
    (checkout / ".venv" / "bin" / "python").unlink()
    again = dev(checkout, "status")
    assert again.returncode == 0
    assert "Installing" in again.stderr


@pytest.mark.parametrize("what", ["version", "executable"])
def test_environment_is_recreated_for_other_python(checkout: Path, what: str) -> None:
    dev(checkout, "status")
    config = checkout / ".venv" / "pyvenv.cfg"
    lines = config.read_text().splitlines()
    config.write_text("".join(f"{what} = another\n" if line.startswith(f"{what} =") else f"{line}\n" for line in lines))
    (checkout / ".venv" / "left-by-the-other-python").touch()
    again = dev(checkout, "status")
    assert again.returncode == 0
    assert "was made with another Python than" in again.stderr
    assert not (checkout / ".venv" / "left-by-the-other-python").exists()
    assert config.read_text().splitlines() == lines
    assert dev(checkout, "status").stderr == ""


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_python_without_venv_names_missing_package(checkout: Path, missing: str) -> None:
    python = checkout / "python3"
    python.write_text(WITHOUT.format(python=sys.executable, missing=missing))
    python.chmod(0o755)
    done = dev(checkout, "up", SAFESIGNAL_PYTHON=str(python))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert done.returncode == 1
    assert (
        done.stderr
        == f"This Python has no {missing}: install it first (Debian, Ubuntu: apt install python{version}-venv).\n"
    )
    assert not (checkout / ".venv").exists()


def test_outdated_python_is_reported_in_one_line(checkout: Path) -> None:
    folder = checkout / "bin"
    folder.mkdir()
    for name in ("dirname", "readlink"):
        (folder / name).symlink_to(shutil.which(name) or "")
    old = folder / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = dev(checkout, "up", PATH=str(folder), SAFESIGNAL_PYTHON="python3")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "Python 3.11 or newer" in done.stderr


def test_dev_works_through_symbolic_link(checkout: Path, tmp_path: Path) -> None:
    link = tmp_path / "safesignal"
    link.symlink_to(checkout / "dev")
    environment = {"PATH": os.environ["PATH"], "SAFESIGNAL_PYTHON": sys.executable}
    done = subprocess.run([link, "status"], env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.endswith("/.venv status\n")
