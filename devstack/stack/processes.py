"""The nine processes, and the process manager's configuration that starts, restarts and stops them."""

import shlex
from dataclasses import dataclass
from pathlib import Path

import msgspec

from devstack.machine.account import Account
from devstack.machine.credentials import Credentials
from devstack.machine.paths import ROOT, Layout, write_private
from devstack.machine.pki import Identity
from devstack.machine.ports import HOST, Ports
from devstack.stack import environments
from devstack.stack.engines import postgres_command, valkey_command

# In starting order; they stop in reverse order, so that each still finds the ones it depends on.
NAMES = ("postgres", "valkey", "broker", "web", "relay", "worker", "beat", "edge", "button")
ENGINES = ("postgres", "valkey")
# Supervisor gives up after `startretries` quick failures. A panic system must not.
NEVER_GIVE_UP = 1_000_000


@dataclass(frozen=True)
class Program:
    """One process: its command, settings and user."""

    name: str
    command: list[str]
    environment: environments.Environment
    account: Account
    directory: Path = ROOT
    # PostgreSQL's fast shutdown is SIGINT; on SIGTERM it would wait for its clients.
    stop_signal: str = "TERM"
    stop_seconds: int = 20


def engines(place: Layout) -> list[Program]:
    """Return PostgreSQL and Valkey, which have no settings but their own files."""
    bare = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/"}
    return [
        Program(
            "postgres", postgres_command(place), bare, place.engines, Path("/"), stop_signal="INT", stop_seconds=60
        ),
        Program("valkey", valkey_command(place), bare, place.engines, Path("/")),
    ]


def broker(place: Layout, ports: Ports) -> Program:
    """Return the embedded MQTT broker."""
    return _python("broker", place, environments.broker(place, ports), "-m", "devstack.broker.server")


def cloud(place: Layout, secrets: Credentials, ports: Ports) -> list[Program]:
    """Return the web application (as `app` only) and the background processes (also as `system`)."""
    front = environments.cloud(place, secrets, ports)
    behind = environments.cloud(place, secrets, ports, "system")
    celery = ("-m", "celery", "-A", "safesignal")
    serve = ("-m", "safesignal.serve", "one", "--host", HOST, "--port", str(ports.http))
    return [
        _python("web", place, front, *serve),
        _python("relay", place, behind, "manage.py", "relay"),
        _python(
            "worker", place, behind, *celery, "worker", "--pool", "threads", "--concurrency", "4", "--loglevel", "INFO"
        ),
        _python("beat", place, behind, *celery, "beat", "--schedule", str(place.beat / "schedule")),
    ]


def edge(place: Layout, ports: Ports, gateway_id: str, identity: Identity) -> Program:
    """Return the gateway in the building."""
    return _python("edge", place, environments.edge(place, ports, gateway_id, identity), "-m", "edge_agent")


def button(place: Layout, ports: Ports, device: str) -> Program:
    """Return one simulated button."""
    return _python("button", place, environments.button(place, ports, device), "-m", "devstack.simulator.button")


def _python(name: str, place: Layout, environment: environments.Environment, *arguments: str) -> Program:
    return Program(name, [environments.python(), *arguments], environment, place.programs)


def write(place: Layout, programs: list[Program]) -> Path:
    """Write each program's specification and the process manager's configuration; return the path of the latter."""
    for program in programs:
        account = program.account
        specification = {
            "command": program.command,
            "environment": program.environment,
            "directory": str(program.directory),
            "user": [account.uid, account.gid] if account.name else None,
        }
        write_private(place.processes / f"{program.name}.json", msgspec.json.encode(specification))
    configuration = place.processes / "supervisord.conf"
    sections = [_manager(place), *(_section(program) for program in programs)]
    write_private(configuration, "\n".join(sections))
    return configuration


def _manager(place: Layout) -> str:
    """Return the manager's section. Paths are relative to its working directory: Supervisor expands some of them
    twice."""
    return f"""[supervisord]
nodaemon=true
silent=true
umask=077
identifier=safesignal
childlogdir=../logs
logfile=../logs/supervisord.log
logfile_maxbytes=5MB
logfile_backups=2
pidfile=supervisord.pid

[unix_http_server]
file={_plain(place.supervisor_socket)}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""


def _section(program: Program) -> str:
    launcher = str(ROOT / "devstack" / "stack" / "launch.py")
    command = [environments.python(), "-I", "-S", launcher, f"{program.name}.json"]
    lines = {
        "command": _plain(shlex.join(command)),
        "priority": str(NAMES.index(program.name) + 1),
        "autostart": "false",
        "autorestart": "true",
        "startsecs": "1",
        "startretries": str(NEVER_GIVE_UP),
        "stopsignal": program.stop_signal,
        "stopwaitsecs": str(program.stop_seconds),
        # Processes that do not stop in time are killed with all their children.
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": f"../logs/{program.name}.log",
        "stdout_logfile_maxbytes": "5MB",
        "stdout_logfile_backups": "2",
    }
    body = "\n".join(f"{name}={value}" for name, value in lines.items())
    return f"[program:{program.name}]\n{body}\n"


def _plain(text: Path | str) -> str:
    """Escape percent signs: Supervisor expands `%(name)s` everywhere."""
    return str(text).replace("%", "%%")
