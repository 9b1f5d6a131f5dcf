"""Become one of the programs: what the process manager starts. Standard library only, so that it costs next to nothing.

    python -I -S devstack/launch.py <specification>

The specification (JSON, mode 0600) holds the command and the whole environment: a program gets the settings it needs
and no others, and no secret stands in a list of processes or in the process manager's file. Started by root, it gives
up root's rights for the specified user before anything of the program runs.

When a program was killed, its children may live on, and hold its port, its lock or its shared memory: they go first.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

# The process manager puts these into the environment of what it starts; children inherit them.
MARKS = ("SUPERVISOR_SERVER_URL", "SUPERVISOR_PROCESS_NAME")
SECONDS_FOR_ORPHANS = 5.0


def orphans(marks: dict[str, str]) -> list[int]:
    """Processes that an earlier run of this very program left behind."""
    wanted = {f"{name}={value}".encode() for name, value in marks.items()}
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if wanted <= set(environment.split(b"\0")):
            found.append(int(entry.name))
    return found


def end_orphans(marks: dict[str, str]) -> None:
    """Kill them and wait until they are gone; their parent is dead, so nobody can ask them to finish."""
    deadline = time.monotonic() + SECONDS_FOR_ORPHANS
    while (left := orphans(marks)) and time.monotonic() < deadline:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.02)


def main() -> None:
    """Read the specification, tidy up, and become the program."""
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
    os.execve(command[0], command, {**specification["environment"], **marks})  # noqa: S606  (a shell is what we do not want)


if __name__ == "__main__":
    main()
