"""The watcher's process beside `./dev press`."""

import subprocess
import sys

from devstack.paths import ROOT


def test_it_ends_with_whoever_started_it() -> None:
    """Also when that was killed: its standard input ends then."""
    watcher = subprocess.Popen(
        [sys.executable, "-m", "devstack.watch"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=ROOT
    )
    assert watcher.stdin is not None
    watcher.stdin.write(b'{"base_url":"http://127.0.0.1:9","email":"a@b.example","password":"x"}\n')
    watcher.stdin.close()
    assert watcher.wait(20) == 0
