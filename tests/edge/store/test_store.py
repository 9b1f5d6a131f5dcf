"""The gateway's storage: confirmed presses are never lost, and a damaged file never stops the gateway."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from edge_agent import times
from edge_agent.decision.lifecycle import Stage
from edge_agent.messages.events import TroubleBegan
from edge_agent.store import statements
from edge_agent.store import store as store_module
from edge_agent.store.store import Store
from tests.edge.support.rig import rig, rows, until
from tests.edge.support.school import DEVICES, at, document, press

ROOT = Path(__file__).parents[3]
WRITER = """
import asyncio, pathlib, sys
from tests.edge.support.rig import rig
async def main():
    async with rig(pathlib.Path(sys.argv[1])) as r:
        async def print_confirmations():
            printed = 0
            while True:
                await asyncio.sleep(0)
                for ack in r.building.acks[printed:]:
                    print(ack.seq, flush=True)
                    printed += 1
        asyncio.get_running_loop().create_task(print_confirmations())
        for seq in range(1, 100_000):
            r.press(seq)
            await asyncio.sleep(0.0003)
asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 40, 150])
def test_confirmed_presses_survive_kill(tmp_path: Path, after: int) -> None:
    """After a kill during writes, every confirmed press is stored with its event."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    confirmed = [int(process.stdout.readline()) for _ in range(after)]
    process.send_signal(signal.SIGKILL)
    confirmed += [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith(b"\n")]
    process.wait(10)
    stored = {seq for (seq,) in rows(tmp_path, "SELECT seq FROM presses")}
    assert len(confirmed) >= after and not set(confirmed) - stored
    events = rows(tmp_path, "SELECT count(*) FROM presses WHERE outcome <> 'bounce'")
    assert rows(tmp_path, "SELECT count(*) FROM outbox WHERE urgency = 0 AND alert_id IS NOT NULL") >= events
    assert rows(tmp_path, "PRAGMA integrity_check") == [("ok",)]


async def test_state_survives_restart(tmp_path: Path) -> None:
    """Presses, open alerts and waiting events are restored: a repeat after a restart is still a repeat."""
    async with rig(tmp_path) as before:
        before.press(1)
        await until(lambda: before.building.acks)
        epoch = before.loads[0].epoch
        last = before.gateway.ids.last
    async with rig(tmp_path) as after:
        kept = after.loads[0]
        assert (kept.epoch, kept.seen.greatest) == (epoch, {(DEVICES[0], "a1b2c3d4"): 1})
        assert kept.waiting == {f"{DEVICES[0]}:a1b2c3d4:1"}
        assert kept.greatest is not None and kept.greatest <= last <= after.gateway.ids.last
        after.press(1)
        await until(lambda: after.building.acks)
        assert after.cloud.offered == [], "only the confirmation is repeated"
        after.press(2)
        await until(lambda: "alert.pressed_again" in after.cloud.kinds())


async def test_stored_alert_is_announced_after_restart(tmp_path: Path) -> None:
    """After a kill between commit and action, the gateway acts on restart unless the alert is old."""
    async with rig(tmp_path) as before:
        before.press(1)
        await until(lambda: before.building.acks)
        alert = before.gateway.state.alerts[f"{DEVICES[0]}:a1b2c3d4:1"]
        await until(lambda: before.gateway.state.alerts[alert.alert_id].stage == "acted")
        await before.store.submit(statements.alert(msgspec.structs.replace(alert, stage=Stage.DECIDED)))
    async with rig(tmp_path) as after:
        after.gateway.resume()
        await until(lambda: len(after.building.announcements) == 3)
        await until(lambda: after.gateway.state.alerts[alert.alert_id].stage == "acted")


async def test_startup_reads_open_and_latest_closed_alerts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many long-closed alerts the store has."""
    monkeypatch.setattr(store_module, "CLOSED_AT_MOST", 2)
    names = [f"{DEVICES[0]}:a1b2c3d4:{number}" for number in range(1, 6)]
    async with rig(tmp_path) as before:
        before.gateway.apply_document(document(names[0], status="new", resolved_at=None))
        for minutes, name in enumerate(reversed(names[1:]), 1):
            resolved_at = (times.now() - timedelta(minutes=minutes)).isoformat()
            before.gateway.apply_document(document(name, resolved_at=resolved_at))
        await before.store.submit()
    async with rig(tmp_path) as after:
        assert {alert.alert_id for alert in after.loads[0].alerts} == {names[0], *names[-2:]}


async def test_file_of_other_version_is_left_unchanged(tmp_path: Path) -> None:
    """An older program with a newer file acts and forwards from memory, reports a trouble, and leaves the file
    alone."""
    with closing(sqlite3.connect(tmp_path / "gateway.sqlite3")) as connection:
        connection.execute("PRAGMA user_version = 99")
    async with rig(tmp_path, opens=False) as other:
        await until(lambda: other.health)
        assert other.health == ["StoreUnusableError"]
        other.press(1)
        await until(lambda: other.building.announcements)
        assert other.building.acks == []
    assert rows(tmp_path, "PRAGMA user_version") == [(99,)]


async def test_damaged_file_is_set_aside(tmp_path: Path) -> None:
    """A new file with a new epoch replaces it; the damaged one is kept for inspection."""
    (tmp_path / "gateway.sqlite3").write_bytes(b"this was a database once " * 1000)
    async with rig(tmp_path) as fresh:
        assert fresh.health[0] == "SQLITE_NOTADB"
        fresh.press(1)
        await until(lambda: fresh.building.acks)
        assert any(isinstance(e, TroubleBegan) and e.trouble == "store_failing" for e in fresh.cloud.offered)
    assert (tmp_path / "gateway.damaged-1").read_bytes().startswith(b"this was")


async def test_invalid_write_fails_alone_in_shared_transaction(tmp_path: Path) -> None:
    opened = asyncio.Event()
    store = Store(tmp_path, on_open=opened.set, on_health=lambda _: None)
    store.start()
    await opened.wait()
    good = [store.submit(statements.press(press(seq), "raised", None, at(0), b"{}")) for seq in range(1, 300)]
    bad = store.submit(statements.meta("seq", None), statements.press(press(999), "raised", None, at(0), b"{}"))  # type: ignore[arg-type]
    more = store.submit(statements.press(press(500), "raised", None, at(0), b"{}"))
    await asyncio.wait([*good, bad, more])
    assert isinstance(bad.exception(), sqlite3.IntegrityError)
    assert {future.exception() for future in [*good, more]} == {None}
    await store.close()
    assert rows(tmp_path, "SELECT count(*) FROM presses") == [(300,)]


async def test_forwarded_events_are_kept_for_thirty_days(tmp_path: Path) -> None:
    """They can be sent again if the cloud is restored from a backup."""
    async with rig(tmp_path) as one:
        one.press(1)
        await until(lambda: "alert.raised" in one.cloud.kinds())
        event_id = one.cloud.offered[one.cloud.kinds().index("alert.raised")].event_id
        await one.store.submit(statements.forwarded(event_id, "stored", at(0)))
        await one.store.submit(*statements.swept(at(29 * 86400)))
        assert rows(tmp_path, "SELECT count(*) FROM outbox WHERE result = 'stored'") == [(1,)]
        await one.store.submit(*statements.swept(at(31 * 86400)))
        assert rows(tmp_path, "SELECT count(*) FROM outbox WHERE result = 'stored'") == [(0,)]
        assert rows(tmp_path, "SELECT count(*) FROM presses") == [(1,)], "presses are kept forever"
