"""The writer thread. All pending jobs go into one transaction (group commit), and each future completes after it.

A full, read-only or stalled disk delays jobs but never fails them: they stay in memory and are written when the disk
recovers. Acting in time does not depend on this; see `gateway`.
"""

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVarTuple, Unpack

from edge_agent.store.schema import StoreUnusableError, open_store
from edge_agent.store.statements import Statement, joined

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.25
JOBS_AT_ONCE = 2000
GATHER_SECONDS = 0.003
"""While many people press at once, a commit waits this long for more jobs; a single press does not wait."""
_NOT_THE_DISK = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    OverflowError,
)
Args = TypeVarTuple("Args")
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@dataclass(frozen=True, slots=True)
class _Job:
    statements: tuple[Statement, ...]
    done: asyncio.Future[None]


class Writer:
    """`on_open` is called in the loop each time the file was opened; `on_health` when writing starts to fail (with the
    reason) and when it works again (None)."""

    def __init__(self, path: Path, *, on_open: Callable[[], None], on_health: Callable[[str | None], None]) -> None:
        self._path = path
        self._on_open, self._on_health = on_open, on_health
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._failing: str | None = None
        self._connection: sqlite3.Connection | None = None
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)

    def start(self) -> None:
        """Start the thread, which opens the file."""
        self._thread.start()

    def submit(self, statements: Iterable[Statement]) -> asyncio.Future[None]:
        """Write all of these in one transaction; the future completes when they are on the disk."""
        job = _Job(tuple(statements), self._loop.create_future())
        self._queue.put(job)
        return job.done

    async def close(self, seconds: float) -> None:
        """Write pending jobs for at most `seconds`, then end the thread."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join, seconds)
        self._stop.set()
        await asyncio.to_thread(self._thread.join, seconds)

    def _run(self) -> None:
        while not self._ready() and not self._stop.wait(RETRY_SECONDS):
            pass
        last, many = False, False
        while not last:
            jobs, last = self._next_jobs()
            if many and not last:
                self._stop.wait(GATHER_SECONDS)
                more, last = self._next_jobs(wait=False)
                jobs += more
            many = len(jobs) > 1
            while jobs and not self._written(jobs):
                if self._stop.wait(RETRY_SECONDS):
                    return
                more, ends = self._next_jobs(wait=False)
                jobs, last = jobs + more, last or ends
        self._disconnect()

    def _next_jobs(self, *, wait: bool = True) -> tuple[list[_Job], bool]:
        """Return pending jobs, and whether the writer should stop."""
        jobs: list[_Job] = []
        try:
            while len(jobs) < JOBS_AT_ONCE:
                job = self._queue.get(block=wait and not jobs)
                if job is None:
                    return jobs, True
                jobs.append(job)
        except queue.Empty:
            pass
        return jobs, False

    def _written(self, jobs: list[_Job]) -> bool:
        """Commit the jobs; True when all are settled."""
        try:
            self._commit(jobs)
        except _NOT_THE_DISK as error:
            if len(jobs) == 1:
                log.error("a write was refused", extra={"reason": str(error)})
                self._call_in_loop(self._fail, jobs[0], error)
                return True
            return all(self._written([job]) for job in jobs)
        except (sqlite3.Error, OSError, StoreUnusableError) as error:
            self._report_failure(error)
            return False
        self._report_recovery()
        self._call_in_loop(self._settle, jobs)
        return True

    def _commit(self, jobs: list[_Job]) -> None:
        connection = self._connection or self._connect()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for sql, values in joined(write for job in jobs for write in job.statements):
                connection.execute(sql, values)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _ready(self) -> bool:
        try:
            self._connect()
        except (sqlite3.Error, OSError, StoreUnusableError) as error:
            self._report_failure(error)
            return False
        return True

    def _connect(self) -> sqlite3.Connection:
        self._connection = open_store(self._path)
        self._call_in_loop(self._on_open)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def _report_failure(self, error: Exception) -> None:
        reason = getattr(error, "sqlite_errorname", None) or type(error).__name__
        self._disconnect()
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _CORRUPT:
            self._set_aside()
        if self._failing is None:
            log.error("the store cannot be written", extra={"reason": reason, "detail": str(error)})
            self._failing = reason
            self._call_in_loop(self._on_health, reason)

    def _report_recovery(self) -> None:
        if self._failing is not None:
            log.info("the store can be written again")
            self._failing = None
            self._call_in_loop(self._on_health, None)

    def _set_aside(self) -> None:
        """Keep a damaged file for inspection, under another name; a new one (with a new epoch) replaces it."""
        number = 1
        while (aside := self._path.with_suffix(f".damaged-{number}")).exists():
            number += 1
        for suffix in ("", "-wal", "-shm"):
            part = self._path.with_name(self._path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))

    def _call_in_loop(self, call: Callable[[Unpack[Args]], object], *args: *Args) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: there are no listeners left
            self._loop.call_soon_threadsafe(call, *args)

    @staticmethod
    def _settle(jobs: list[_Job]) -> None:
        for job in jobs:
            if not job.done.done():
                job.done.set_result(None)

    @staticmethod
    def _fail(job: _Job, error: Exception) -> None:
        if not job.done.done():
            job.done.set_exception(error)
