"""PostgreSQL restored to an older state under running programs: connected screens receive every later press."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from devstack.simulator.gestures import gesture_for
from devstack.testing.stack import running_stack
from tests.faults.button_bank import ButtonBank
from tests.faults.chain import Chain, until
from tests.faults.staff import Listener, listening

pytestmark = [pytest.mark.stack, pytest.mark.slow]

Restore = Callable[[Chain, Path], None]


@pytest.fixture(scope="module")
def own_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A separate SafeSignal for this module: other tests expect a database that keeps its data."""
    with running_stack(tmp_path_factory.mktemp("restore") / "home") as stack:
        yield Chain(stack)


@pytest.fixture
async def screen(own_chain: Chain) -> AsyncIterator[Listener]:
    """A screen that is connected before the restore."""
    async with listening(own_chain.demo) as listener:
        yield listener


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder with owners and modes, like a backup of the files."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def copied(chain: Chain, backup: Path) -> None:
    """Restore a copy of the folder: same system identifier, same timeline, undetectable for PostgreSQL itself."""
    copy_folder(backup, chain.place.pgdata)


def recovered(chain: Chain, backup: Path) -> None:
    """Recover from an archive to its end, like a failover to a replica that was behind: a new timeline."""
    copy_folder(backup, chain.place.pgdata)
    configuration = chain.place.pgdata / "postgresql.auto.conf"
    with configuration.open("a") as file:
        file.write("restore_command = 'false'\n")
    (chain.place.pgdata / "recovery.signal").touch()
    chain.place.engines.own(chain.place.pgdata)


async def stop_database(chain: Chain) -> None:
    await asyncio.to_thread(chain.hold_down, "postgres")


async def start_database(chain: Chain) -> None:
    await asyncio.to_thread(chain.start, "postgres")
    await until(lambda: chain.answers("postgres"), "PostgreSQL answers")


@pytest.mark.parametrize("restore", [copied, recovered])
async def test_connected_screen_receives_lockdown_after_restore(
    own_chain: Chain, screen: Listener, restore: Restore
) -> None:
    """The screen keeps its connection and receives a resync and a new epoch."""
    chain, bank = own_chain, ButtonBank(own_chain)
    devices = iter(chain.demo.devices[1 if restore is copied else 21 :])
    backup = engines_folder(chain) / f"backup-{restore.__name__}"

    async def press_until_displayed(alert_type: str) -> None:
        press = await bank.press(next(devices), gesture_for(alert_type, silent=False))
        await until(lambda: screen.shows(press.name), f"{alert_type} is on the screen")

    await press_until_displayed("assist")
    await stop_database(chain)
    copy_folder(chain.place.pgdata, backup)
    await start_database(chain)
    await press_until_displayed("medical")
    await press_until_displayed("medical")
    connections, resyncs, epochs = screen.connections, screen.resyncs, set(screen.epochs)

    await stop_database(chain)
    restore(chain, backup)
    await start_database(chain)

    await press_until_displayed("lockdown")
    assert screen.resyncs > resyncs
    assert screen.connections == connections, "the connection was never lost"
    await until(lambda: screen.epochs > epochs, "a new epoch")
    await press_until_displayed("lockdown")


def engines_folder(chain: Chain) -> Path:
    """Return a folder that the engines' user may write to."""
    return chain.place.pgdata.parent
