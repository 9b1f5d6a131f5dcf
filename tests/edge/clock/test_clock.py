"""The gateway's clock under any system clock, and which response dates it accepts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from edge_agent import clock
from edge_agent.clock import AGREES, Clock, certificate_begin
from tests.edge.support.authority import Authority

FLOOR = datetime(2026, 9, 1, tzinfo=UTC)
TRUE = FLOOR + timedelta(days=40)
ERRORS = st.timedeltas(timedelta(days=-20000), timedelta(days=20000))
PASSED = st.timedeltas(timedelta(0), timedelta(days=30))
NEAR = 2 * AGREES


class World:
    """The true time, a system clock that is wrong by `error`, and a monotonic clock."""

    def __init__(self, error: timedelta = timedelta(0)) -> None:
        self.true, self.error = TRUE, error

    def wall(self) -> datetime:
        return self.true + self.error

    def monotonic(self) -> float:
        return (self.true - TRUE).total_seconds()

    def clock(self, folder: Path, floor: datetime = FLOOR) -> Clock:
        return Clock(folder, floor=floor, wall=self.wall, monotonic=self.monotonic)


@given(ERRORS, ERRORS, PASSED)
def test_clock_keeps_confirmed_time_across_steps(first: timedelta, then: timedelta, passed: timedelta) -> None:
    """The system clock is wrong, the cloud reports the time, and the system clock steps."""
    world = World(first)
    known = world.clock(Path("/nowhere"))
    assert known.confirm(world.true, known.elapsed(), proved=False)
    world.error = then
    world.true += passed
    assert abs(known.now() - world.true) <= NEAR + passed * clock.DRIFT
    assert (known.fault is None) == (known.now() == world.wall())


@given(ERRORS, PASSED)
def test_clock_never_precedes_floor(error: timedelta, passed: timedelta) -> None:
    world = World(error)
    known = world.clock(Path("/nowhere"))
    world.true += passed
    assert known.now() >= FLOOR
    assert world.wall() < FLOOR or known.now() == world.wall(), "a plausible system time is used"


def test_date_before_floor_is_rejected_unless_proved() -> None:
    """An old certificate cannot set the clock back, and a cloud that was once ahead does no lasting harm."""
    known = World(timedelta(days=-9000)).clock(Path("/nowhere"))
    old = FLOOR - timedelta(days=1)
    assert not known.confirm(old, known.elapsed(), proved=False)
    assert not known.confirmed
    assert known.confirm(old, known.elapsed(), proved=True)
    assert known.floor == old


def test_date_of_slow_response_is_rejected() -> None:
    world = World(timedelta(days=-9000))
    known = world.clock(Path("/nowhere"))
    asked = known.elapsed()
    world.true += timedelta(seconds=clock.SLOWEST_ANSWER_SECONDS + 1)
    assert not known.confirm(world.true, asked, proved=True)


def test_floor_survives_restart(tmp_path: Path) -> None:
    """The confirmed time is stored, so the next start cannot be earlier."""
    world = World()
    known = world.clock(tmp_path)
    known.confirm(world.true, known.elapsed(), proved=True)
    known.keep_floor()
    assert World(timedelta(days=-20000)).clock(tmp_path).now() >= TRUE


def test_clock_works_without_readable_floor(tmp_path: Path) -> None:
    (tmp_path / clock.FILE).mkdir()
    known = World().clock(tmp_path)
    known.confirm(TRUE, known.elapsed(), proved=True)
    known.keep_floor()
    assert known.now() == TRUE
    assert certificate_begin(tmp_path / "none") == datetime.fromtimestamp(0, UTC)


def test_certificate_begin_returns_start_of_validity(tmp_path: Path) -> None:
    begin = certificate_begin(Authority(tmp_path).issue("gateway").cert)
    assert timedelta(hours=20) < datetime.now(UTC) - begin < timedelta(hours=30)
