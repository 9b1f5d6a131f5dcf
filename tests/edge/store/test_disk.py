"""A stalled, full or read-only disk: the building acts anyway, no press is confirmed falsely, and all presses reach the
cloud and the disk once those are available."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from edge_agent.gateway import DEADLINE_SECONDS
from tests.edge.support.rig import Rig, rig, until
from tests.edge.support.school import DEVICES
from tests.kit.patience import Promise

ROOT = Path(__file__).parents[3]
MARGIN_SECONDS = 0.05
SHARED_COMMITS_SECONDS = 2.0


@pytest.mark.slow
async def test_press_is_announced_within_deadline_with_stalled_disk(tmp_path: Path) -> None:
    """With the file locked by another program, the gateway acts within 50 ms, forwards from memory and does not
    confirm."""
    async with rig(tmp_path) as one:
        with closing(sqlite3.connect(tmp_path / "gateway.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            promise, pressed = Promise(DEADLINE_SECONDS + MARGIN_SECONDS), time.perf_counter()
            one.press(1)
            await until(lambda: one.building.announcements)
            assert one.building.announced_at[0] - pressed < promise.seconds
            await until(lambda: "alert.raised" in one.cloud.kinds())
            one.press(1)
            one.press(1)
            await until(lambda: "device.trouble" in one.cloud.kinds())
            assert one.building.acks == [] and one.cloud.kinds().count("alert.raised") == 1
            other.execute("ROLLBACK")
        await until(lambda: one.building.acks)
        await until(lambda: "device.recovered" in one.cloud.kinds())
        one.press(1)
        await until(lambda: len(one.building.acks) == 2)
        assert one.cloud.kinds().count("alert.raised") == 1, "the repeats raised no second alert"
        assert {ack.seq for ack in one.building.acks} == {1}


async def test_alert_precedes_its_actions_with_stalled_disk(tmp_path: Path) -> None:
    """Announcements precede the alert, but the cloud receives the alert first."""
    async with rig(tmp_path) as one:
        with closing(sqlite3.connect(tmp_path / "gateway.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            one.press(1)
            await until(lambda: one.cloud.kinds().count("action.started") == 3)
            other.execute("ROLLBACK")
        kinds = [kind for kind in one.cloud.kinds() if not kind.startswith("device.")]
        assert kinds == ["alert.raised", *["action.started"] * 3]


async def test_press_is_not_confirmed_when_write_is_rejected(tmp_path: Path) -> None:
    """A write that fails for another reason than the disk must not be confirmed either."""
    async with rig(tmp_path) as one:
        with closing(sqlite3.connect(tmp_path / "gateway.sqlite3")) as other:
            other.execute("CREATE TRIGGER no BEFORE INSERT ON presses BEGIN SELECT RAISE(ABORT, 'no'); END")
        one.press(1)
        await until(lambda: one.building.announcements and "alert.raised" in one.cloud.kinds())
        one.press(1)
        one.press(1)
        await one.store.submit()
        assert one.building.acks == []


FULL = """
import asyncio, pathlib, resource, signal, sys
from tests.edge.support.rig import rig, until
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
async def main():
    folder = pathlib.Path(sys.argv[1])
    async with rig(folder) as one:
        one.press(1)
        await until(lambda: one.building.acks)
        await asyncio.sleep(0.1)
        size = (folder / "gateway.sqlite3-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        one.press(2, "ss-000001", "triple")
        await until(lambda: "device.trouble" in one.cloud.kinds())
        await until(lambda: one.cloud.kinds().count("alert.raised") == 2)
        assert len(one.building.announcements) == 3 + 1, "the medical announcement includes the room of the lockdown"
        assert [ack.seq for ack in one.building.acks] == [1], one.building.acks
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await until(lambda: len(one.building.acks) == 2)
        await until(lambda: "device.recovered" in one.cloud.kinds())
        print(one.health)
asyncio.run(main())
"""


@pytest.mark.slow
def test_gateway_acts_and_forwards_with_full_disk(tmp_path: Path) -> None:
    """With no byte left (RLIMIT_FSIZE): act, forward, report a trouble; store and confirm once there is space."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "None" in done.stdout
    with closing(sqlite3.connect(tmp_path / "gateway.sqlite3")) as connection:
        assert connection.execute("SELECT count(*) FROM presses").fetchone() == (2,)


class ReadOnly:
    """A read-only directory: for root, who ignores permissions, a file system mounted read-only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root = os.geteuid() == 0

    def begin(self) -> None:
        if self._root:
            self._mount("-t", "tmpfs", "-o", "ro,size=8m", "tmpfs")
        else:
            self.folder.chmod(0o500)

    def end(self) -> None:
        if self._root:
            self._mount("-o", "remount,rw")
        else:
            self.folder.chmod(0o700)

    def leave(self) -> None:
        if self._root:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)

    def _mount(self, *options: str) -> None:
        done = subprocess.run(["mount", *options, str(self.folder)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"not permitted to mount a read-only file system: {done.stderr.strip()}")


@pytest.mark.skipif(shutil.which("mount") is None, reason="no mount")
async def test_gateway_starts_with_read_only_disk(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    read_only = ReadOnly(folder)
    read_only.begin()
    try:
        async with rig(folder, opens=False) as one:
            await until(lambda: one.health)
            one.press(1)
            await until(lambda: one.building.announcements and "alert.raised" in one.cloud.kinds())
            assert one.building.acks == []
            read_only.end()
            await until(lambda: one.building.acks)
    finally:
        read_only.leave()


async def test_simultaneous_presses_share_commits(tmp_path: Path) -> None:
    """Simultaneous presses share a few commits, measured without broker and network."""
    async with rig(tmp_path) as one:
        await warm_up(one)
        promise, pressed = Promise(SHARED_COMMITS_SECONDS), time.perf_counter()
        for number in range(200):
            one.press(1, f"ss-{number:08x}")
        while len(one.building.acks) < 200:
            await asyncio.sleep(0.001)
        took = time.perf_counter() - pressed
    print(f"{took * 1000:.0f} ms for all")
    assert took < promise.seconds, "as slow as 200 separate commits on a slow disk"


async def warm_up(one: Rig) -> None:
    one.press(1, DEVICES[2])
    await until(lambda: one.building.acks)
    one.building.acks.clear()
