"""Concurrent callers and transactions, each with its own database connections."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier, Event
from typing import TypeVar
from uuid import UUID

from django.db import connections

from apps.common.db.scope import tenant_scope
from tests.kit.patience import WAIT_SECONDS

SECONDS = WAIT_SECONDS

T = TypeVar("T")


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Run the calls at the same moment, each in its own thread; return results in order, raise an error of any call."""
    gate = Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        try:
            gate.wait()
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def in_the_middle_of(
    first: Callable[[], object], second: Callable[[], T], *, organizations: Iterable[UUID]
) -> Future[T]:
    """Run `second`, started after the work of `first` and before its commit, so that it waits for the commit.

    Each is one transaction over these organizations; both have ended on return. Raises any error of `first`, and
    TimeoutError when `second` did not have to wait.
    """
    done, waited = Event(), Event()
    scope = list(organizations)

    def hold() -> None:
        try:
            with tenant_scope(scope):
                first()
                done.set()
                assert waited.wait(SECONDS)
        finally:
            done.set()
            connections.close_all()

    def follow() -> T:
        try:
            with tenant_scope(scope):
                return second()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as threads:
        holding = threads.submit(hold)
        done.wait(SECONDS)
        following = threads.submit(follow)
        try:
            _wait_until_blocked(following)
        finally:
            waited.set()
        holding.result(SECONDS)
        following.exception(SECONDS)
    return following


def _wait_until_blocked(following: Future[T]) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        with connections["owner"].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone() != (0,):
                return
        if following.done() or time.monotonic() > deadline:
            raise TimeoutError("the second transaction did not wait for the first")
        time.sleep(0.01)
