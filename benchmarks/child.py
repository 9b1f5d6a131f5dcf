"""A part of a benchmark in a separate process: it receives a job, prints `ready`, waits for a start signal, and
reports.

`python -m benchmarks.child NAME` runs the `main` of `benchmarks.NAME`, with Django set up. Job and report are one line
of JSON each, on standard input and output.
"""

import importlib
import subprocess
import sys
from collections.abc import Sequence
from typing import Generic, TypeVar

import django
import msgspec

Job = TypeVar("Job")
Report = TypeVar("Report")


class Child(Generic[Report]):
    """The parent's side of a child process, which starts on construction."""

    def __init__(self, name: str, job: msgspec.Struct, report: type[Report]) -> None:
        self._report = report
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.child", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._write(msgspec.json.encode(job))

    def wait_until_ready(self) -> None:
        """Wait for the child; raise RuntimeError if it exits instead."""
        if self._read() != b"ready\n":
            raise RuntimeError(f"A process of the benchmark exited with {self._process.wait()}; see above.")

    def go(self) -> None:
        """Send the start signal; a later one may end a child that would otherwise continue."""
        self._write(b"go")

    def report(self) -> Report:
        """Return the child's report and wait for its exit."""
        line = self._read()
        self.end()
        return msgspec.json.decode(line, type=self._report)

    def stop(self) -> Report:
        """End a child that runs until its input ends; return its report."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        line = self._read()
        self._process.wait()
        return msgspec.json.decode(line, type=self._report)

    def end(self) -> None:
        """Close the child's input, which ends one waiting for a signal, and wait for its exit."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def _read(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def run_together(children: Sequence[Child[Report]]) -> list[Report]:
    """Start all children at the same moment; return their reports."""
    for child in children:
        child.wait_until_ready()
    for child in children:
        child.go()
    return [child.report() for child in children]


def job(kind: type[Job]) -> Job:
    """Read the job, in the child."""
    return msgspec.json.decode(sys.stdin.buffer.readline(), type=kind)


def ready() -> None:
    """Report readiness and wait for the start signal; exit if the parent is gone."""
    say(b"ready")
    if not sys.stdin.buffer.readline():
        sys.exit()


def say(line: bytes) -> None:
    """Write a line to the parent."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    django.setup()
    importlib.import_module(f"benchmarks.{sys.argv[1]}").main()
