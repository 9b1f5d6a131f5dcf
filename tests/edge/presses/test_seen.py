"""Old presses: recognized forever, without cost in memory or startup time."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent import recognition
from edge_agent.decision import seen as seen_module
from edge_agent.decision.seen import Seen
from edge_agent.store import presses as on_disk
from edge_agent.store import store as store_module
from edge_agent.store.schema import open_reader, open_store
from tests.edge.support.rig import rig, until
from tests.edge.support.school import DEVICES

MANY = 300_000
BUTTONS = 200
INST = "a1b2c3d4"

IDS = st.tuples(st.sampled_from(["ss-aaaa", "ss-bbbb"]), st.sampled_from(["00000001", "00000002"]), st.integers(1, 12))


def fill(folder: Path, count: int) -> None:
    """Create a store with this many old presses of a few hundred buttons. Every tenth seq is missing."""
    with closing(open_store(folder / "gateway.sqlite3")) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO presses VALUES (?, ?, ?, 'old', 'bounce', NULL, '2026-01-01T00:00:00.000Z', x'7b7d')",
            (
                (f"ss-{number % BUTTONS:08x}", INST, number // BUTTONS + 1)
                for number in range(count)
                if (number // BUTTONS + 1) % 10
            ),
        )
        connection.execute("COMMIT")


@given(st.lists(IDS, max_size=30), st.lists(IDS, max_size=30), st.booleans(), st.data())
@settings(deadline=None)
def test_press_is_known_if_and_only_if_accepted(
    before: list[tuple[str, str, int]], later: list[tuple[str, str, int]], opened: bool, data: st.DataObject
) -> None:
    """Across restarts, with or without the press in memory, with a readable or unreadable disk at startup."""
    disk = dict.fromkeys(before, "x")

    def greatest(button: tuple[str, str]) -> int | None:
        return max((seq for *of, seq in disk if tuple(of) == button), default=None)

    seen = Seen(complete=False)
    if opened:
        latest = {press_id: "x" for press_id in disk if press_id[2] == greatest(press_id[:2])}
        seen.load({press_id[:2]: press_id[2] for press_id in latest}, latest, complete=True)
    for press_id in later:
        if seen.uncertain(press_id):
            seen.learn(press_id, disk.get(press_id), greatest(press_id[:2]))
        assert (press_id in seen) == (press_id in disk), press_id
        seen.add(press_id, "x")
        disk[press_id] = "x"
        if data.draw(st.booleans()):
            forget_all(seen)


def forget_all(seen: Seen) -> None:
    seen._recent.clear()


def test_memory_drops_presses_stored_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Presses that are not on the disk yet stay in memory."""
    monkeypatch.setattr(seen_module, "RECENT", 10)
    seen = Seen()
    for seq in range(1, 101):
        seen.add(("ss-aaaa", INST, seq), "x")
    seen.forget({("ss-aaaa", INST, 1)})
    assert len(seen) == 11
    assert ("ss-aaaa", INST, 1) in seen
    assert seen.uncertain(("ss-aaaa", INST, 2)) and not seen.uncertain(("ss-aaaa", INST, 101))


@pytest.mark.slow
async def test_startup_reads_one_entry_per_button(tmp_path: Path) -> None:
    """It reads one entry per button; every old press is still a repeat, every missing seq a new press."""
    fill(tmp_path, MANY)
    async with rig(tmp_path) as one:
        assert len(one.loads[0].seen.greatest) == BUTTONS
        assert one.loads[0].alerts == [] and len(one.gateway.state.seen) == BUTTONS * on_disk.LATEST_OF_EACH
        device = f"ss-{7:08x}"
        last = MANY // BUTTONS
        lookup = await one.store.find_press((device, INST, 5))
        assert (lookup.fingerprint, lookup.greatest) == ("old", last - 1)
        one.press(10, device)
        await until(lambda: "alert.raised" in one.cloud.kinds())
        assert one.cloud.offered[0].about == f"{device}:{INST}:10", "this seq was never used"
        one.press(last, device)
        await until(lambda: len(one.building.acks) == 2)


@pytest.mark.slow
async def test_startup_cost_is_independent_of_number_of_presses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured in SQLite VM steps, with ten times the presses of the same buttons."""
    counts = Counter[Path]()

    def counted(path: Path) -> sqlite3.Connection:
        connection = open_reader(path)
        connection.set_progress_handler(lambda: counts.update([path.parent]), 100)
        return connection

    monkeypatch.setattr(store_module, "open_reader", counted)
    few, many = tmp_path / "few", tmp_path / "many"
    for folder, presses in ((few, 20 * BUTTONS), (many, 200 * BUTTONS)):
        folder.mkdir()
        fill(folder, presses)
        async with rig(folder):
            pass
    assert counts[few] > 0 and counts[many] < 2 * counts[few]


async def test_repeat_after_restart_is_recognized_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a press whose identity had been reused."""
    monkeypatch.setattr(recognition, "ASK_SECONDS", 30)  # this test is not about a busy disk
    async with rig(tmp_path) as before:
        before.press(1)
        before.press(1, pattern="triple")
        for seq in range(2, 2 + on_disk.LATEST_OF_EACH):
            before.press(seq)
        await until(lambda: len(before.building.acks) == 2 + on_disk.LATEST_OF_EACH)
    async with rig(tmp_path) as after:
        for pattern in ("long", "triple"):
            after.press(1, pattern=pattern)
        await until(lambda: len(after.building.acks) == 2)
        assert after.cloud.offered == []
        after.press(1, pattern="short")
        await until(lambda: "alert.raised" in after.cloud.kinds())


async def test_press_is_new_when_disk_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In doubt it is an alarm; the cloud recognizes a repeat by its id."""
    async with rig(tmp_path) as before:
        for seq in range(1, 2 + on_disk.LATEST_OF_EACH):
            before.press(seq)
        await until(lambda: len(before.building.acks) == 1 + on_disk.LATEST_OF_EACH)

    def fails(connection: sqlite3.Connection, press_id: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async with rig(tmp_path) as after:
        monkeypatch.setattr(on_disk, "find", fails)
        after.press(1)
        await until(lambda: "alert.raised" in after.cloud.kinds() or "alert.pressed_again" in after.cloud.kinds())
        assert DEVICES[0] in str(after.cloud.offered[0])
