"""`./dev test` and `./dev bench`: pytest and the benchmarks, in this virtual environment."""

import os
import subprocess

from devstack import environments
from devstack.paths import ROOT

FAST = "not slow and not stack and not browser"


def run(arguments: list[str]) -> int:
    """Run pytest; its exit code. --fast and --nightly are ours, the rest is pytest's."""
    passed_on = [argument for argument in arguments if argument not in ("--fast", "--nightly")]
    options = ["-m", FAST] if "--fast" in arguments else []
    extra = {"SAFESIGNAL_NIGHTLY": "1"} if "--nightly" in arguments else {}
    return module("pytest", [*options, *passed_on], extra)


def module(name: str, arguments: list[str], extra: dict[str, str] | None = None) -> int:
    """Run a module of Python from the checkout's root; its exit code."""
    command = [environments.python(), "-m", name, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(extra or {})}
    try:
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 130
