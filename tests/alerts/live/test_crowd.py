"""Limits of live connections: far above normal use, and never reached at the expense of other callers."""

import asyncio
from contextlib import ExitStack

import pytest

from apps.alerts.live import crowd
from apps.alerts.live.crowd import PER_PRINCIPAL, PER_SIGN_IN, Crowd, Ended, Ending
from apps.common.access import Principal, PrincipalKind
from apps.common.db.ids import new_id
from apps.common.problems import TooManyRequests

pytestmark = pytest.mark.slow

SCHOOL, SOMEBODY = new_id(), new_id()


def person() -> Principal:
    return Principal(PrincipalKind.PERSON, new_id(), "Tess", sign_in=new_id())


def sign_ins_of_one_person(count: int) -> list[Principal]:
    return [Principal(PrincipalKind.PERSON, SOMEBODY, "Tess", sign_in=new_id()) for _ in range(count)]


def join(stack: ExitStack, among: Crowd, principal: Principal, source: str = "192.0.2.1") -> Ended:
    ended: Ended = asyncio.get_running_loop().create_future()
    stack.enter_context(among.among(principal, [SCHOOL], source, ended))
    return ended


async def test_person_keeps_connections_of_many_sign_ins_up_to_the_limit() -> None:
    """Beyond the limit the oldest connection is closed, regardless of its sign-in."""
    with ExitStack() as stack:
        among = Crowd()
        sign_ins = sign_ins_of_one_person(PER_PRINCIPAL // PER_SIGN_IN + 1)
        held = [join(stack, among, sign_ins[number // PER_SIGN_IN]) for number in range(PER_PRINCIPAL)]
        assert not any(one.done() for one in held)
        join(stack, among, sign_ins[-1])
        assert [one.result() for one in held if one.done()] == [Ending.TOO_MANY]
        assert held[0].done()


async def test_thousand_people_can_connect_from_one_address() -> None:
    with ExitStack() as stack:
        among = Crowd()
        held = [join(stack, among, person()) for _ in range(1000) for _ in range(3)]
        assert not any(one.done() for one in held)


async def test_source_with_too_many_connections_is_refused_without_affecting_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Existing connections stay open, and a closed one makes room."""
    monkeypatch.setattr(crowd, "PER_SOURCE", 3)
    with ExitStack() as stack:
        among = Crowd()
        with ExitStack() as leaving:
            join(leaving, among, person())
            held = [join(stack, among, person()) for _ in range(2)]
            with pytest.raises(TooManyRequests):
                join(stack, among, person())
            join(stack, among, person(), source="192.0.2.2")
        join(stack, among, person())
        assert not any(one.done() for one in held)


async def test_crowd_keeps_no_state_of_closed_connections() -> None:
    among = Crowd()
    with ExitStack() as stack:
        for _ in range(PER_SIGN_IN):
            join(stack, among, person())
    assert not among._held
