"""`./dev test --fast` runs what is quick, and imports no module of which nothing is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from devstack.machine.paths import ROOT

pytestmark = pytest.mark.slow

SLOW_MODULE = """
import pytest

pytestmark = [pytest.mark.usefixtures("tmp_path"), pytest.mark.slow]
raise RuntimeError("imported")
"""
MIXED_MODULE = """
import pytest

@pytest.mark.stack
def test_stack(): ...

@pytest.mark.slow
def test_slow(): ...

def test_quick(): ...
"""


def test_fast_imports_no_slow_module_and_leaves_out_slow_tests(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").touch()
    (tmp_path / "test_slow.py").write_text(SLOW_MODULE)
    (tmp_path / "test_mixed.py").write_text(MIXED_MODULE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--disable-plugin-autoload", "-p", "devstack.testing.pytest_plugin", "--fast"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "1 passed, 2 deselected" in done.stdout, done.stdout + done.stderr
