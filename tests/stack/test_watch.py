"""The watcher process of `./dev press`."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime

import msgspec

from devstack.machine.paths import ROOT
from devstack.press.screen import Screen
from devstack.press.watch import FeedLine
from tests.kit.patience import WAIT_SECONDS


def test_watcher_exits_with_parent() -> None:
    """Also if the parent is killed, as the watcher's standard input ends."""
    watcher = subprocess.Popen(
        [sys.executable, "-m", "devstack.press.watch"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=ROOT
    )
    assert watcher.stdin is not None
    watcher.stdin.write(b'{"base_url":"http://127.0.0.1:9","email":"a@b.example","password":"x"}\n')
    watcher.stdin.close()
    assert watcher.wait(WAIT_SECONDS) == 0


def test_watcher_reports_unreachable_cloud() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "devstack.press.watch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as watcher:
        assert watcher.stdin is not None and watcher.stdout is not None
        watcher.stdin.write(b'{"base_url":"http://127.0.0.1:9","email":"a@b.example","password":"x"}\n')
        watcher.stdin.flush()
        assert msgspec.json.decode(watcher.stdout.readline(), type=FeedLine).type == "unreachable"
        watcher.terminate()


async def test_screen_waits_for_slow_watcher_and_returning_cloud() -> None:
    slow, back = Screen(), Screen()
    await back.add(FeedLine("unreachable", datetime.now(UTC)))
    waiting = [asyncio.create_task(one.connected()) for one in (slow, back)]
    await asyncio.sleep(0)
    for one in (slow, back):
        await one.add(FeedLine("ready", datetime.now(UTC)))
    assert await asyncio.gather(*waiting) == [True, True]
