"""The smaller commands: down, status, logs, reset, manage."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from devstack.errors import Refusal
from devstack.machine import credentials, demo
from devstack.machine.paths import ROOT, Layout, check_version, remove
from devstack.machine.ports import Ports
from devstack.stack import environments, processes
from devstack.stack.supervisor import Supervisor

console = Console()
HELP = frozenset({"help", "-h", "--help"})


class Status(msgspec.Struct, frozen=True):
    """A line of `./dev status --json`."""

    name: str
    state: str
    pid: int | None
    url: str | None


def down(place: Layout) -> None:
    """Stop everything in reverse order, including processes left by a killed process manager."""
    supervisor = Supervisor(place)
    if supervisor.alive():
        supervisor.shut_down()
        console.print("SafeSignal is down.")
    else:
        console.print("SafeSignal was not running.")
    supervisor.end_leftovers()


def statuses(place: Layout) -> list[Status]:
    """Return the status of every process, in starting order; `stopped` when nothing runs."""
    urls = _urls(place)
    rows = {one.name: one for one in Supervisor(place).processes()}
    return [
        Status(name, one.state, one.pid, urls.get(name))
        if (one := rows.get(name)) is not None
        else Status(name, "stopped", None, urls.get(name))
        for name in processes.NAMES
    ]


def _urls(place: Layout) -> dict[str, str]:
    urls = {
        "postgres": f"unix://{place.postgres_socket_folder}/.s.PGSQL.5432",
        "valkey": f"unix://{place.valkey_socket}",
        "button": f"unix://{place.button_socket}",
    }
    if place.demo.exists():
        school = demo.load(place)
        urls |= {"web": school.base_url, "broker": f"mqtts://{school.mqtt.host}:{school.mqtt.port}"}
    return urls


def status(place: Layout, *, as_json: bool) -> None:
    """Show the status of all processes."""
    rows = statuses(place)
    if as_json:
        print(msgspec.json.encode(rows).decode())
        return
    table = Table()
    for heading in ("process", "state", "pid", "where"):
        table.add_column(heading)
    for one in rows:
        colour = "green" if one.state == "running" else "red"
        table.add_row(one.name, f"[{colour}]{one.state}[/]", str(one.pid or "-"), one.url or "")
    console.print(table)
    if place.home.exists():
        console.print(f"E-mails are files in {place.mail}", markup=False, highlight=False)


def logs(place: Layout, name: str | None, *, follow: bool, lines: int) -> None:
    """Show the log of one process, or all logs."""
    known = sorted(path.stem for path in place.logs.glob("*.log")) if place.logs.exists() else []
    if name is not None and name not in known:
        raise Refusal(f"There is no log of {name!r}; there is: {', '.join(known) or 'none yet'}.")
    files = [str(place.logs / f"{one}.log") for one in ([name] if name else known)]
    if not files:
        raise Refusal("There are no logs yet: ./dev up writes them.")
    tail = shutil.which("tail")
    if tail is None:
        raise Refusal(f"There is no `tail` on this machine; the logs are in {place.logs}.")
    options = ["-n", str(lines), *(["-F"] if follow else [])]
    try:
        subprocess.run([tail, *options, *files], check=False)
    except KeyboardInterrupt:
        return


def reset(place: Layout) -> None:
    """Remove all state. Refuse a folder that is not a state folder, but accept other versions."""
    if place.home.exists() and not (place.home / "version").exists():
        check_version(place)
    supervisor = Supervisor(place)
    if supervisor.alive():
        supervisor.shut_down()
    supervisor.end_leftovers()
    remove(place)
    console.print(f"Removed {place.home} and everything that belonged to it.")


def cloud_environment(place: Layout) -> environments.Environment:
    """Return the settings of an earlier started SafeSignal, with the rights of all three roles."""
    school = demo.load(place)
    http = int(school.base_url.rpartition(":")[2])
    return environments.cloud(place, credentials.credentials(place), Ports(http, school.mqtt.port), "system", "owner")


def manage(place: Layout, arguments: list[str]) -> None:
    """Run manage.py with the environment set, and exit with its status. Its help works before the first start."""
    check_version(place)
    if not place.demo.exists() and (not arguments or HELP & {*arguments}):
        with tempfile.TemporaryDirectory() as folder:
            settings = environments.throwaway(Path(folder), "development")
            command = [environments.python(), "manage.py", *arguments]
            sys.exit(subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}, check=False).returncode)
    settings = {name: value for name, value in cloud_environment(place).items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [environments.python(), "manage.py", *arguments]
    environment = {**os.environ, **settings}
    if place.programs.name is None:
        os.chdir(ROOT)
        os.execve(command[0], command, environment)  # noqa: S606  (no shell wanted)
    # Root may read a file that the programs' user cannot, and write into the checkout. Files that it leaves in the
    # state folder still belong to the programs' user.
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for manage.py, which receives it too
        code = process.wait()
    place.programs.own(place.keys, place.objects, place.mail)
    sys.exit(code if code >= 0 else 128 - code)
