"""Whether the lock files are what pyproject.toml asks for."""

import re
import subprocess
import tempfile
import tomllib
from pathlib import Path
from typing import Final, NamedTuple

from packaging.requirements import Requirement
from packaging.version import Version

from devstack.machine.paths import ROOT
from devstack.stack import environments

COMPILE = ["-m", "uv", "pip", "compile", "--universal", "--generate-hashes", "--python-version", "3.11", "-q"]
SECONDS = 120


class Lock(NamedTuple):
    """One lock file, the extras in it, and the smaller lock file whose pins it repeats."""

    name: str
    extras: tuple[str, ...] = ()
    contains: str | None = None

    @property
    def options(self) -> list[str]:
        """What its compilation adds to the command."""
        extras = [option for extra in self.extras for option in ("--extra", extra)]
        return [*extras, "-c", self.contains] if self.contains else extras


LOCKS: Final = (
    Lock("requirements.txt"),
    Lock("requirements-one-machine.txt", ("one-machine",), "requirements.txt"),
    Lock("requirements-dev.txt", ("one-machine", "dev"), "requirements-one-machine.txt"),
)
"""Production; `./dev up`; what develops and tests it."""


def problems() -> list[str]:
    """What is not current, one line each. Resolves anew; where no registry answers, compares names and versions."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for lock in LOCKS:
            target = Path(folder, lock.name)
            # uv keeps the pins that it finds in the output file: only a change of pyproject.toml changes the result.
            target.write_text((ROOT / lock.name).read_text())
            command = [environments.python(), *COMPILE, *lock.options, "pyproject.toml", "-o", str(target)]
            try:
                done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
            except subprocess.TimeoutExpired:
                return offline_problems()
            if done.returncode != 0:
                return offline_problems()
            if pins(target.read_text()) != pinned(lock.name):
                found.append(f"{lock.name} is not what pyproject.toml gives: compile it again (see its head).")
    return found


def pinned(lock: str) -> dict[str, str]:
    """Name and version of every package of this lock file."""
    return pins((ROOT / lock).read_text())


def pins(lock: str) -> dict[str, str]:
    """Name and version of every package of a lock file's text, in the spelling of the index."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", lock, flags=re.MULTILINE))


def offline_problems() -> list[str]:
    """Without a registry: a pin must meet every requirement, and each file must repeat those of the smaller one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = []
    for lock in LOCKS:
        here = pinned(lock.name)
        found += [
            f"{lock.name} has {name} {here.get(name)}, {lock.contains} has {version}"
            for name, version in (pinned(lock.contains) if lock.contains else {}).items()
            if here.get(name) != version
        ]
        extras = [text for extra in lock.extras for text in project["optional-dependencies"][extra]]
        for text in [*project["dependencies"], *extras]:
            requirement = Requirement(text)
            name = re.sub(r"[-_.]+", "-", requirement.name).lower()
            if name not in here or Version(here[name]) not in requirement.specifier:
                found.append(f"pyproject.toml asks for {text}, {lock.name} has {here.get(name, 'none')}")
    return found
