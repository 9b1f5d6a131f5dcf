"""Launcher that the process manager runs for each program. Uses the standard library only, so that it costs little.

    python -I -S devstack/stack/launch.py <specification>

The specification (JSON, mode 0600) has the command and the whole environment: a program gets only the settings it
needs, and no secret is visible in the process list or in the process manager's file. Started by root, it drops root's
rights for the specified user before running any code of the program.

Children of a killed program may survive and keep its port, lock or shared memory, so they are ended first.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

# Set by the process manager in the environment of its processes and inherited by their children.
MARKS = ("SUPERVISOR_SERVER_URL", "SUPERVISOR_PROCESS_NAME")
SECONDS_FOR_ORPHANS = 5.0


def orphans(marks: dict[str, str]) -> list[int]:
    """Return processes left by an earlier run of this program."""
    wanted = {f"{name}={value}".encode() for name, value in marks.items()}
    pids = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if wanted <= set(environment.split(b"\0")):
            pids.append(int(entry.name))
    return pids


def end_orphans(marks: dict[str, str]) -> None:
    """Kill these processes and wait for their end; no graceful shutdown is possible without their parent."""
    deadline = time.monotonic() + SECONDS_FOR_ORPHANS
    while (left := orphans(marks)) and time.monotonic() < deadline:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.02)


def main() -> None:
    """Read the specification, end orphans, and become the program."""
    specification = json.loads(Path(sys.argv[1]).read_text())
    marks = {name: os.environ[name] for name in MARKS if name in os.environ}
    if len(marks) == len(MARKS):
        end_orphans(marks)
    os.umask(0o077)
    if specification["user"] is not None:
        uid, gid = specification["user"]
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.chdir(specification["directory"])
    command = specification["command"]
    os.execve(command[0], command, {**specification["environment"], **marks})  # noqa: S606  (no shell wanted)


if __name__ == "__main__":
    main()
