"""The settings as production loads them, in a separate process."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from devstack.machine.paths import ROOT
from devstack.stack.environments import throwaway


def in_production(code: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run code that imports `settings` under the production profile, with these variables changed."""
    with tempfile.TemporaryDirectory() as folder:
        variables = {**os.environ, **throwaway(Path(folder), "production"), **changed}
        variables.pop("SAFESIGNAL_OPERATORS_NEED_SECOND_FACTOR", None)
        return subprocess.run(
            [sys.executable, "-c", f"from django.conf import settings\n{code}"],
            cwd=ROOT,
            env={**variables, **changed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
