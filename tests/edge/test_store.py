"""What is on the disk: nothing that was said to be stored is ever lost, and a damaged file stops nobody."""

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

ROOT = Path(__file__).parents[2]
WRITER = """
import asyncio, pathlib, sys
from tests.edge.support.rig import rig
async def main():
    async with rig(pathlib.Path(sys.argv[1])) as r:
        async def told():
            said = 0
            while True:
                await asyncio.sleep(0)
                for ack in r.building.acks[said:]:
                    print(ack.seq, flush=True)
                    said += 1
        asyncio.get_running_loop().create_task(told())
        for seq in range(1, 100_000):
            r.press(seq)
            await asyncio.sleep(0.0003)
asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 40, 150])
def test_what_was_told_stored_survives_kill_9(tmp_path: Path, after: int) -> None:
    """Killed while it writes: every press whose button was told `stored` is there, with its event."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(after)]
    process.send_signal(signal.SIGKILL)
    told += [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith(b"\n")]
    process.wait(10)
    stored = {seq for (seq,) in rows(tmp_path, "SELECT seq FROM presses")}
    assert len(told) >= after and not set(told) - stored
    events = rows(tmp_path, "SELECT count(*) FROM presses WHERE outcome <> 'bounce'")
    assert rows(tmp_path, "SELECT count(*) FROM outbox WHERE urgency = 0 AND alert_id IS NOT NULL") >= events
    assert rows(tmp_path, "PRAGMA integrity_check") == [("ok",)]


async def test_a_restart_remembers(tmp_path: Path) -> None:
    """Seen presses, open alerts, what is to be forwarded: a repeat after a restart is still a repeat."""
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
        assert after.cloud.offered == [], "told again, and nothing else"
        after.press(2)
        await until(lambda: "alert.pressed_again" in after.cloud.kinds())


async def test_what_was_stored_but_had_not_sounded_sounds_after_a_restart(tmp_path: Path) -> None:
    """Killed between commit and action: the gateway acts when it is back, as long as it is not old."""
    async with rig(tmp_path) as before:
        before.press(1)
        await until(lambda: before.building.acks)
        alert = before.gateway.state.alerts[f"{DEVICES[0]}:a1b2c3d4:1"]
        await until(lambda: before.gateway.state.alerts[alert.alert_id].stage == "acted")
        await before.store.submit(statements.alert(msgspec.structs.replace(alert, stage=Stage.DECIDED)))
    async with rig(tmp_path) as after:
        after.gateway.resume()
        await until(lambda: len(after.building.plays) == 3)
        await until(lambda: after.gateway.state.alerts[alert.alert_id].stage == "acted")


async def test_start_reads_all_open_alerts_and_the_latest_closed_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many a store has that were closed long ago."""
    monkeypatch.setattr(store_module, "CLOSED_AT_MOST", 2)
    names = [f"{DEVICES[0]}:a1b2c3d4:{number}" for number in range(1, 6)]
    async with rig(tmp_path) as before:
        before.gateway.learn(document(names[0], status="new", resolved_at=None))
        for minutes, name in enumerate(reversed(names[1:]), 1):
            resolved_at = (times.now() - timedelta(minutes=minutes)).isoformat()
            before.gateway.learn(document(name, resolved_at=resolved_at))
        await before.store.submit()
    async with rig(tmp_path) as after:
        assert {alert.alert_id for alert in after.loads[0].alerts} == {names[0], *names[-2:]}


async def test_a_file_of_another_version_is_not_touched(tmp_path: Path) -> None:
    """An older program on a newer file: it acts and forwards from memory, and says so; the file stays as it is."""
    with closing(sqlite3.connect(tmp_path / "gateway.sqlite3")) as connection:
        connection.execute("PRAGMA user_version = 99")
    async with rig(tmp_path, opens=False) as other:
        await until(lambda: other.health)
        assert other.health == ["StoreUnusableError"]
        other.press(1)
        await until(lambda: other.building.plays)
        assert other.building.acks == []
    assert rows(tmp_path, "PRAGMA user_version") == [(99,)]


async def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    """A new file with a new epoch takes its place; the damaged one stays for people to look at."""
    (tmp_path / "gateway.sqlite3").write_bytes(b"this was a database once " * 1000)
    async with rig(tmp_path) as fresh:
        assert fresh.health[0] == "SQLITE_NOTADB"
        fresh.press(1)
        await until(lambda: fresh.building.acks)
        assert any(isinstance(e, TroubleBegan) and e.trouble == "store_failing" for e in fresh.cloud.offered)
    assert (tmp_path / "gateway.damaged-1").read_bytes().startswith(b"this was")


async def test_many_writes_share_a_transaction_and_one_bad_one_costs_only_itself(tmp_path: Path) -> None:
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


async def test_forwarded_events_are_kept_thirty_days(tmp_path: Path) -> None:
    """Should the cloud be restored from a backup, they are there to be sent again."""
    async with rig(tmp_path) as one:
        one.press(1)
        await until(lambda: "alert.raised" in one.cloud.kinds())
        event_id = one.cloud.offered[one.cloud.kinds().index("alert.raised")].event_id
        await one.store.submit(statements.forwarded(event_id, "stored", at(0)))
        await one.store.submit(*statements.swept(at(29 * 86400)))
        assert rows(tmp_path, "SELECT count(*) FROM outbox WHERE result = 'stored'") == [(1,)]
        await one.store.submit(*statements.swept(at(31 * 86400)))
        assert rows(tmp_path, "SELECT count(*) FROM outbox WHERE result = 'stored'") == [(0,)]
        assert rows(tmp_path, "SELECT count(*) FROM presses") == [(1,)], "presses stay for ever"
