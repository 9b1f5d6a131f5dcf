"""Whether the lock files are what pyproject.toml asks for."""

import re
import subprocess
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from devstack import environments
from devstack.paths import ROOT

COMPILE = ["-m", "uv", "pip", "compile", "--universal", "--generate-hashes", "--python-version", "3.11", "-q"]
SECONDS = 120


def problems() -> list[str]:
    """What is not current, one line each. Resolves anew; where no registry answers, compares names and versions."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, options in (
            ("requirements.txt", []),
            ("requirements-dev.txt", ["--extra", "dev", "-c", "requirements.txt"]),
        ):
            target = Path(folder, name)
            # uv keeps the pins that it finds in the output file: only a change of pyproject.toml changes the result.
            target.write_text((ROOT / name).read_text())
            command = [environments.python(), *COMPILE, *options, "pyproject.toml", "-o", str(target)]
            try:
                done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
            except subprocess.TimeoutExpired:
                return offline_problems()
            if done.returncode != 0:
                return offline_problems()
            if pins(target.read_text()) != pins((ROOT / name).read_text()):
                found.append(f"{name} is not what pyproject.toml gives: compile it again (the command is in its head).")
    return found


def pins(lock: str) -> dict[str, str]:
    """Name and version of every package of a lock file, in the spelling of the index."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", lock, flags=re.MULTILINE))


def offline_problems() -> list[str]:
    """Without a registry: every requirement must be met by a pin, and both files must pin the same."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runtime = pins((ROOT / "requirements.txt").read_text())
    development = pins((ROOT / "requirements-dev.txt").read_text())
    found = [
        f"requirements-dev.txt has {name} {development.get(name)}, requirements.txt has {version}"
        for name, version in runtime.items()
        if development.get(name) != version
    ]
    for lock, wanted in ((runtime, project["dependencies"]), (development, project["optional-dependencies"]["dev"])):
        for text in wanted:
            requirement = Requirement(text)
            name = re.sub(r"[-_.]+", "-", requirement.name).lower()
            if name not in lock or Version(lock[name]) not in requirement.specifier:
                found.append(f"pyproject.toml asks for {text}, the lock has {lock.get(name, 'none')}")
    return found
