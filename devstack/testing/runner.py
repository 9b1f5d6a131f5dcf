"""`./dev test` and `./dev bench`: run pytest or the benchmarks in this virtual environment."""

import os
from typing import NoReturn

from devstack.machine.paths import ROOT
from devstack.stack import environments

# With these options the output of a single process is wanted.
ONE_PROCESS = ("-s", "-n", "--pdb", "--trace", "--dist", "--capture=no")
MOST_PROCESSES = 4


def run(arguments: list[str], *, fast: bool, nightly: bool) -> NoReturn:
    """Replace this process with pytest."""
    options = ["-p", "devstack.testing.pytest_plugin"]
    if fast:
        options.append("--fast")
    if not any(argument.startswith(ONE_PROCESS) for argument in arguments):
        options += ["-n", str(min(os.cpu_count() or 1, MOST_PROCESSES)), "--dist", "loadgroup"]
    module("pytest", [*options, *arguments], {"SAFESIGNAL_NIGHTLY": "1"} if nightly else {})


def module(name: str, arguments: list[str], extra: dict[str, str] | None = None) -> NoReturn:
    """Replace this process with a Python module, run in the checkout's root."""
    python = environments.python()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(extra or {})}
    os.chdir(ROOT)
    os.execve(python, [python, "-m", name, *arguments], environment)  # noqa: S606  (no shell wanted)
