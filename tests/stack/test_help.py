"""Each command's help describes what it does in this project."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from devstack.machine.paths import ROOT


def help_of(home: Path, *arguments: str) -> str:
    """Return the help of a command on a machine where SafeSignal was never started."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAFESIGNAL_", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, "-m", "devstack", *arguments],
        cwd=ROOT,
        env={**kept, "SAFESIGNAL_HOME": str(home), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_of_test_explains_our_options_and_names_pytest(tmp_path: Path) -> None:
    text = help_of(tmp_path, "test", "--help")
    assert "./dev test" in text
    for expected in ("--fast", "Within a minute", "--nightly", "largest sizes", "go to pytest"):
        assert expected in text


@pytest.mark.slow
def test_help_of_bench_names_the_benchmarks(tmp_path: Path) -> None:
    text = help_of(tmp_path, "bench", "--help")
    assert "./dev bench" in text and "python -m" not in text
    for name in ("ingest", "live", "press"):
        assert f"{name}:" in text


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("help",), ("--help",), ()], ids=" ".join)
def test_help_of_manage_lists_our_commands_first(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ours, _, others = help_of(tmp_path, "manage", *arguments).partition("Commands of Django and of libraries:")
    for name in ("create_organization", "doctor", "invite", "rotate_keys", "verify_audit"):
        assert f"  {name}" in ours and name not in others
    assert "showmigrations" in others and "showmigrations" not in ours


@pytest.mark.slow
def test_help_of_one_command_needs_no_started_safesignal(tmp_path: Path) -> None:
    assert "--signs-in" in help_of(tmp_path, "manage", "help", "rotate_keys")
    assert "--signs-in" in help_of(tmp_path, "manage", "rotate_keys", "--help")
    assert not (tmp_path / "version").exists()
