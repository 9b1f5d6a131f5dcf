"""The message core of the firmware, compiled on this machine: as a process with sanitizers, and as a library."""

import os
import shutil
import subprocess
from ctypes import CDLL
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, NoReturn

import pytest

FIRMWARE = Path(__file__).parents[2] / "firmware"
CORE = sorted((FIRMWARE / "core").glob("*.c"))
WARNINGS = [
    "-std=c11",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wshadow",
    "-Wconversion",
    "-pedantic",
    f"-I{FIRMWARE / 'core'}",
]
SANITIZERS = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

_build = TemporaryDirectory(prefix="safesignal-core-")


class Verdict(NamedTuple):
    """The core's result for one body: the name of the status, and the body encoded again."""

    status: str
    body: bytes


def cannot_run(reason: str) -> NoReturn:
    """Report why a test cannot run; where every test must run, that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        cannot_run(f"`{name}` is not installed (Debian: apt-get install gcc libc6-dev cmake make)")
    return found


@cache
def _compile(compiler: str, target: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Cached, so that a core that does not compile is tried only once."""
    command = [compiler, *WARNINGS, "-o", target, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def compile_c(output: str, *arguments: str | Path) -> Path:
    target = Path(_build.name) / output
    done = _compile(tool("cc"), target, *arguments)
    if "cannot find -lasan" in done.stderr or "cannot find -lubsan" in done.stderr:
        cannot_run(f"the compiler has no sanitizers: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return target


class Core:
    """`ss_contract` as a process that decodes one body after another; it exits at the first sanitizer error."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def judge(self, message: str, body: bytes) -> Verdict:
        process = self._process
        assert process.stdin
        assert process.stdout
        assert process.stderr
        try:
            process.stdin.write(b"%s %d\n%s" % (message.encode(), len(body), body))
            process.stdin.flush()
            answer = process.stdout.readline().split()
        except BrokenPipeError:
            answer = []
        if len(answer) != 2:
            raise AssertionError(f"the core crashed on {body!r}:\n{process.stderr.read().decode()}")
        return Verdict(answer[0].decode(), process.stdout.read(int(answer[1])))

    def close(self) -> int:
        """End the process normally; its exit status reports leaks too."""
        self._process.communicate(timeout=30)
        return self._process.returncode


@cache
def program() -> Path:
    return compile_c("ss_contract", *SANITIZERS, *CORE, FIRMWARE / "host" / "ss_contract.c")


@cache
def core() -> Core:
    """Return the single process of this test run."""
    return Core(program())


@cache
def library() -> CDLL:
    return CDLL(str(compile_c("libss_message.so", "-O2", "-fPIC", "-shared", *CORE)))
