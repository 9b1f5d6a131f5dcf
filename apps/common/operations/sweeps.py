"""Scheduled work on the database: Celery runs it, or the relay if no worker did.

A sweep is safe to run at any time and several times at once. Apps register theirs in `ready()`.
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
"""How late a worker may be before the relay does its work."""
LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Sweep:
    work: Callable[[datetime], None]
    interval: timedelta


_sweeps: dict[str, _Sweep] = {}


def register(name: str, work: Callable[[datetime], None], *, interval: timedelta) -> None:
    """Register `work` to run at every interval."""
    _sweeps[name] = _Sweep(work, interval)


def run(name: str) -> None:
    """Run one sweep now, and record that it was done."""
    now = timezone.now()
    _sweeps[name].work(now)
    try:
        heartbeats.show(name, now)
    except redis.RedisError as error:
        logger.warning("cannot record the sweep %s in the live bus: %s", name, error)


def run_overdue(now: datetime) -> None:
    """Run the sweeps that no worker ran in time; all of them if Valkey is unavailable, since it has that record."""
    for name, sweep in _sweeps.items():
        try:
            last = heartbeats.last(name)
        except redis.RedisError:
            last = None
        if last is None or last < now - sweep.interval - GRACE:
            run(name)


def keep_sweeping(stopping: Callable[[], bool]) -> None:
    """Run overdue sweeps until stopped; the relay calls this in its own thread."""
    while not stopping():
        try:
            run_overdue(timezone.now())
        except Exception:
            logger.exception("a sweep failed and will run again")
            connections["system"].close()
        time.sleep(LOOK_SECONDS)
