"""The disk stalls, is full, is read-only: the building acts all the same, no button is told what is not so, and what
was pressed reaches cloud and disk when they are there."""

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
from tests.patience import Promise

ROOT = Path(__file__).parents[2]
MARGIN_SECONDS = 0.05
SHARED_COMMITS_SECONDS = 2.0


@pytest.mark.slow
async def test_press_to_action_meets_its_deadline_with_the_disk_stalled(tmp_path: Path) -> None:
    """Another program holds the file: acted within 50 ms, forwarded from memory, not told `stored`."""
    async with rig(tmp_path) as one:
        with closing(sqlite3.connect(tmp_path / "gateway.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            promise, pressed = Promise(DEADLINE_SECONDS + MARGIN_SECONDS), time.perf_counter()
            one.press(1)
            await until(lambda: one.building.plays)
            assert one.building.played_at[0] - pressed < promise.seconds
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
        assert one.cloud.kinds().count("alert.raised") == 1, "the repeats made no second alert"
        assert {ack.seq for ack in one.building.acks} == {1}


async def test_nothing_of_an_alert_leaves_before_it_with_the_disk_stalled(tmp_path: Path) -> None:
    """The speakers are told first, and the cloud hears first of the alert."""
    async with rig(tmp_path) as one:
        with closing(sqlite3.connect(tmp_path / "gateway.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            one.press(1)
            await until(lambda: one.cloud.kinds().count("action.started") == 3)
            other.execute("ROLLBACK")
        kinds = [kind for kind in one.cloud.kinds() if not kind.startswith("device.")]
        assert kinds == ["alert.raised", *["action.started"] * 3]


async def test_a_write_that_is_refused_for_good_is_never_told_stored(tmp_path: Path) -> None:
    """Not the disk's fault, but the same to a button: it is not there, so it is not said to be."""
    async with rig(tmp_path) as one:
        with closing(sqlite3.connect(tmp_path / "gateway.sqlite3")) as other:
            other.execute("CREATE TRIGGER no BEFORE INSERT ON presses BEGIN SELECT RAISE(ABORT, 'no'); END")
        one.press(1)
        await until(lambda: one.building.plays and "alert.raised" in one.cloud.kinds())
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
        assert len(one.building.plays) == 3 + 1, "the medical message sounds where the lockdown does not"
        assert [ack.seq for ack in one.building.acks] == [1], one.building.acks
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await until(lambda: len(one.building.acks) == 2)
        await until(lambda: "device.recovered" in one.cloud.kinds())
        print(one.health)
asyncio.run(main())
"""


@pytest.mark.slow
def test_a_full_disk(tmp_path: Path) -> None:
    """No byte more may be written (RLIMIT_FSIZE): acted, forwarded, a trouble; stored and told when there is room."""
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
    """A folder that cannot be written: a file system mounted so for root, who may write to any other."""

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
            pytest.skip(f"no right to mount a read-only file system: {done.stderr.strip()}")


@pytest.mark.skipif(shutil.which("mount") is None, reason="no mount")
async def test_a_disk_that_is_read_only_from_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    read_only = ReadOnly(folder)
    read_only.begin()
    try:
        async with rig(folder, opens=False) as one:
            await until(lambda: one.health)
            one.press(1)
            await until(lambda: one.building.plays and "alert.raised" in one.cloud.kinds())
            assert one.building.acks == []
            read_only.end()
            await until(lambda: one.building.acks)
    finally:
        read_only.leave()


async def test_two_hundred_presses_at_once_share_their_commits(tmp_path: Path) -> None:
    """Without broker and network: a school that presses at once shares a few commits."""
    async with rig(tmp_path) as one:
        await warm_up(one)
        promise, pressed = Promise(SHARED_COMMITS_SECONDS), time.perf_counter()
        for number in range(200):
            one.press(1, f"ss-{number:08x}")
        while len(one.building.acks) < 200:
            await asyncio.sleep(0.001)
        took = time.perf_counter() - pressed
    print(f"{took * 1000:.0f} ms for all")
    assert took < promise.seconds, "as long as 200 commits of their own would take on a slow disk"


async def warm_up(one: Rig) -> None:
    one.press(1, DEVICES[2])
    await until(lambda: one.building.acks)
    one.building.acks.clear()
