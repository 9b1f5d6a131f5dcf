"""Work that is due by the clock and stands in the database: Celery does it, and the relay where no worker has.

A sweep is safe to run at any time and by several at once. Apps register theirs in `ready()`.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import redis
from django.db import connections
from django.utils import timezone

from apps.common.observability import heartbeats

logger = logging.getLogger(__name__)

GRACE: Final = timedelta(seconds=2)
"""How long a worker may be late before the relay does its work."""
LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Sweep:
    work: Callable[[datetime], None]
    interval: timedelta


_sweeps: dict[str, _Sweep] = {}


def register(name: str, work: Callable[[datetime], None], *, interval: timedelta) -> None:
    """Have `work` done at every interval."""
    _sweeps[name] = _Sweep(work, interval)


def run(name: str) -> None:
    """Do one sweep now, and show that it was done."""
    now = timezone.now()
    _sweeps[name].work(now)
    try:
        heartbeats.show(name, now)
    except redis.RedisError as error:
        logger.warning("the live bus did not take that %s was swept: %s", name, error)


def run_overdue(now: datetime) -> None:
    """Do what no worker did in time; with Valkey away nobody knows, so everything."""
    for name, sweep in _sweeps.items():
        try:
            last = heartbeats.last(name)
        except redis.RedisError:
            last = None
        if last is None or last < now - sweep.interval - GRACE:
            run(name)


def keep_sweeping(stopping: Callable[[], bool]) -> None:
    """The relay's part, in a thread of its own, until told to stop."""
    while not stopping():
        try:
            run_overdue(timezone.now())
        except Exception:
            logger.exception("a sweep failed, and is done again")
            connections["system"].close()
        time.sleep(LOOK_SECONDS)
