"""The watcher's process beside `./dev press`."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime

import msgspec

from devstack.paths import ROOT
from devstack.screen import Screen
from devstack.watch import Shown
from tests.patience import WAIT_SECONDS


def test_it_ends_with_whoever_started_it() -> None:
    """Also when that was killed: its standard input ends then."""
    watcher = subprocess.Popen(
        [sys.executable, "-m", "devstack.watch"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=ROOT
    )
    assert watcher.stdin is not None
    watcher.stdin.write(b'{"base_url":"http://127.0.0.1:9","email":"a@b.example","password":"x"}\n')
    watcher.stdin.close()
    assert watcher.wait(WAIT_SECONDS) == 0


def test_watcher_reports_that_the_cloud_is_unreachable() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "devstack.watch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as watcher:
        assert watcher.stdin is not None and watcher.stdout is not None
        watcher.stdin.write(b'{"base_url":"http://127.0.0.1:9","email":"a@b.example","password":"x"}\n')
        watcher.stdin.flush()
        assert msgspec.json.decode(watcher.stdout.readline(), type=Shown).type == "unreachable"
        watcher.terminate()


async def test_screen_waits_for_a_slow_watcher_and_for_a_cloud_that_comes_back() -> None:
    slow, back = Screen(), Screen()
    await back.add(Shown("unreachable", datetime.now(UTC)))
    waiting = [asyncio.create_task(one.connected()) for one in (slow, back)]
    await asyncio.sleep(0)
    for one in (slow, back):
        await one.add(Shown("ready", datetime.now(UTC)))
    assert await asyncio.gather(*waiting) == [True, True]
