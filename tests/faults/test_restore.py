"""PostgreSQL restored to an older state under running programs: connected screens get every press that follows."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from devstack.hands import hand_for
from devstack.testing import running_stack
from tests.faults.chain import Chain, until
from tests.faults.staff import Listener, listening
from tests.faults.wall import Wall

pytestmark = [pytest.mark.stack, pytest.mark.slow]

SECONDS = 120.0
Restore = Callable[[Chain, Path], None]


@pytest.fixture(scope="module")
def own_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A SafeSignal of this module's own: others expect that no database forgets."""
    with running_stack(tmp_path_factory.mktemp("restore") / "home") as stack:
        yield Chain(stack)


@pytest.fixture
async def screen(own_chain: Chain) -> AsyncIterator[Listener]:
    """A screen that was connected before."""
    async with listening(own_chain.demo) as listener:
        yield listener


def copy_folder(source: Path, target: Path) -> None:
    """With owners and modes, as a backup of the files does."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def copied(chain: Chain, backup: Path) -> None:
    """The folder as it was: same system identifier, same timeline, nothing that PostgreSQL itself could tell."""
    copy_folder(backup, chain.place.pgdata)


def recovered(chain: Chain, backup: Path) -> None:
    """Archive recovery that ends where the archive does, as a failover to a replica that was behind: a new timeline."""
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
    await until(lambda: chain.answers("postgres"), "PostgreSQL answers", seconds=SECONDS)


@pytest.mark.parametrize("restore", [copied, recovered])
async def test_a_connected_screen_gets_the_lockdown_after_a_restore(
    own_chain: Chain, screen: Listener, restore: Restore
) -> None:
    """On the line that it has, with the order to read its state again, and in another epoch."""
    chain, wall = own_chain, Wall(own_chain)
    devices = iter(chain.demo.devices[1 if restore is copied else 21 :])
    backup = engines_folder(chain) / f"backup-{restore.__name__}"

    async def press_until_shown(hand: str) -> None:
        press = await wall.press(next(devices), hand_for(hand, silent=False))
        await until(lambda: screen.shows(press.name), f"{hand} is on the screen", seconds=SECONDS)

    await press_until_shown("assist")
    await stop_database(chain)
    copy_folder(chain.place.pgdata, backup)
    await start_database(chain)
    await press_until_shown("medical")
    await press_until_shown("medical")
    connections, resyncs, epochs = screen.connections, screen.resyncs, set(screen.epochs)

    await stop_database(chain)
    restore(chain, backup)
    await start_database(chain)

    await press_until_shown("lockdown")
    assert screen.resyncs > resyncs
    assert screen.connections == connections, "it never lost its line"
    await until(lambda: screen.epochs > epochs, "another epoch", seconds=SECONDS)
    await press_until_shown("lockdown")


def engines_folder(chain: Chain) -> Path:
    """Where the engines' user may write."""
    return chain.place.pgdata.parent
