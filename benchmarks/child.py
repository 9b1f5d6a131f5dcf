"""A part of a benchmark in a process of its own: it gets a job, says `ready`, waits for the word, and reports.

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
    """The parent's side: started and ready when made; told to go, and read once."""

    def __init__(self, name: str, job: msgspec.Struct, report: type[Report]) -> None:
        self._report = report
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.child", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._write(msgspec.json.encode(job))

    def wait_until_ready(self) -> None:
        """Raises RuntimeError when the child ended instead."""
        if self._read() != b"ready\n":
            raise RuntimeError(f"A process of the benchmark ended with {self._process.wait()}; see above.")

    def go(self) -> None:
        """The word that the child waits for; another one later may end what has no end of its own."""
        self._write(b"go")

    def report(self) -> Report:
        """What the child measured; it has ended then."""
        line = self._read()
        self.end()
        return msgspec.json.decode(line, type=self._report)

    def stop(self) -> Report:
        """End a child that goes on until its input ends; what it measured."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        line = self._read()
        self._process.wait()
        return msgspec.json.decode(line, type=self._report)

    def end(self) -> None:
        """Close its input, which ends whoever waits for a word, and wait."""
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
    """Let all begin at one moment; what they measured."""
    for child in children:
        child.wait_until_ready()
    for child in children:
        child.go()
    return [child.report() for child in children]


def job(kind: type[Job]) -> Job:
    """The child's side: what to do."""
    return msgspec.json.decode(sys.stdin.buffer.readline(), type=kind)


def ready() -> None:
    """Say so, and wait for the word. Exits when the parent is gone."""
    say(b"ready")
    if not sys.stdin.buffer.readline():
        sys.exit()


def say(line: bytes) -> None:
    """One line to the parent."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    django.setup()
    importlib.import_module(f"benchmarks.{sys.argv[1]}").main()
