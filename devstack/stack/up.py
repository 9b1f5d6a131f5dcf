"""`./dev up`: prepare what is missing, start everything in order, and print the addresses."""

import compileall
import contextlib
import fcntl
import hashlib
import io
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from devstack.errors import Refusal
from devstack.machine import credentials, demo, pki, ports
from devstack.machine.credentials import Credentials
from devstack.machine.paths import PACKAGES, ROOT, Layout, prepare, readable_by_others, write_private
from devstack.machine.ports import HOST, Ports
from devstack.simulator import gestures
from devstack.stack import engines, environments, processes, readiness
from devstack.stack.supervisor import Supervisor

SECONDS_FOR_ENGINES = 60.0
SECONDS_TO_BE_READY = 120.0
console = Console(stderr=True)


class Seeded(msgspec.Struct, frozen=True):
    """The output of seed_demo."""

    organization_id: str
    gateway_id: str
    users: dict[str, demo.Person]


class Up:
    """One run of `./dev up`."""

    def __init__(self, place: Layout) -> None:
        self._place = place
        self._supervisor = Supervisor(place)

    def run(self, *, detach: bool) -> None:
        """Start everything; then return (detached), or wait for Ctrl-C and stop everything cleanly."""
        began = time.monotonic()
        prepare(self._place)
        with self._alone():
            if self._supervisor.alive():
                raise Refusal("SafeSignal is running already: see ./dev status, or ./dev down first.")
            try:
                self._start()
            except (KeyboardInterrupt, Exception):
                self._end()
                raise
        self._welcome(time.monotonic() - began)
        if not detach:
            self._stay()

    def _start(self) -> None:
        place = self._place
        self._supervisor.end_leftovers()
        chosen = ports.wanted()
        with self._step("keys and certificates"):
            secrets = credentials.credentials(place)
            credentials.make_key_pairs(place)
            pki.make_pki(place.pki)
        with self._step("database and queue"):
            engines.prepare_postgres(place, secrets)
            engines.prepare_valkey(place, secrets)
        known = self._known_gateway()
        programs = [
            *processes.engines(place),
            processes.broker(place, chosen),
            *processes.cloud(place, secrets, chosen),
        ]
        self._own()
        # The gateway's id is known only after the school was created, so its processes may be added later.
        configuration = processes.write(place, [*programs, *self._building(chosen, known)])
        self._supervisor.start(configuration)
        for name in (*processes.ENGINES, "broker"):
            self._supervisor.start_process(name)
        with self._step("engines answer"):
            self._wait("PostgreSQL", SECONDS_FOR_ENGINES, lambda: readiness.postgres_answers(place, secrets))
        fresh = known is None
        self._database(secrets, chosen)
        if fresh:
            known = self._school(secrets, chosen)
            processes.write(place, [*programs, *self._building(chosen, known)])
            self._own()
            self._supervisor.reload()
        self._remember_ports(chosen)
        with self._step("everything starts"):
            for name in processes.NAMES[3:]:
                self._supervisor.start_process(name)
            self._wait("the web application", SECONDS_TO_BE_READY, lambda: readiness.web_answers(chosen))
            self._wait("the gateway's configuration", SECONDS_TO_BE_READY, (place.edge / "configuration.jws").exists)
            self._wait("every process", SECONDS_TO_BE_READY, self._all_running)
            self._wait(
                "the gateway and the button at the broker", SECONDS_TO_BE_READY, lambda: self._building_is_there(chosen)
            )

    def _building(self, chosen: Ports, gateway_id: str | None) -> list[processes.Program]:
        if gateway_id is None:
            return []
        identity = pki.gateway_identity(self._place.pki, gateway_id)
        return [
            processes.edge(self._place, chosen, gateway_id, identity),
            processes.button(self._place, chosen, pki.device_ids(self._place.pki)[0]),
        ]

    def _known_gateway(self) -> str | None:
        """Return the gateway's id if an earlier start created the school."""
        path = self._place.keys / "gateway.id"
        return path.read_text().strip() if path.exists() and self._place.demo.exists() else None

    def _database(self, secrets: Credentials, chosen: Ports) -> None:
        """Create roles and run migrations, unless nothing changed since the last start."""
        stamp = self._place.keys / "migrated"
        wanted = migrations_digest()
        if stamp.exists() and stamp.read_text() == wanted:
            return
        with self._step("roles and migrations"):
            engines.make_roles(self._place, secrets)
            self.manage(secrets, chosen, "migrate", "--database", "owner", "--no-input", "--verbosity", "0")
        write_private(stamp, wanted)

    def _school(self, secrets: Credentials, chosen: Ports) -> str:
        """Create the demo school and save its passwords, which are returned only once."""
        place = self._place
        devices = pki.device_ids(place.pki)
        public_key = (place.keys / credentials.GATEWAY_PUBLIC_KEY).read_text()
        request = msgspec.json.encode(
            {"devices": devices, "gateway": {"public_key": public_key}, "rules": gestures.rules()}
        )
        with self._step("the demo school"):
            answer = self.manage(secrets, chosen, "seed_demo", standard_input=request.decode())
        seeded = msgspec.json.decode(answer, type=Seeded)
        mqtt = demo.Mqtt(HOST, chosen.mqtt, str(place.pki / "root.pem"))
        school = demo.Demo(environments.base_url(chosen), seeded.organization_id, seeded.users, devices, mqtt)
        write_private(place.keys / "gateway.id", seeded.gateway_id)
        demo.save(place, school)
        return seeded.gateway_id

    def _remember_ports(self, chosen: Ports) -> None:
        """Store the ports of this start in demo.json."""
        school = demo.load(self._place)
        mqtt = demo.Mqtt(HOST, chosen.mqtt, str(self._place.pki / "root.pem"))
        now = msgspec.structs.replace(school, base_url=environments.base_url(chosen), mqtt=mqtt)
        if now != school:
            demo.save(self._place, now)
            self._place.programs.own(self._place.demo)

    def manage(self, secrets: Credentials, chosen: Ports, *arguments: str, standard_input: str = "") -> str:
        """Run a manage.py command to completion, with the rights of all three roles."""
        environment = environments.cloud(self._place, secrets, chosen, "system", "owner")
        command = [environments.python(), "manage.py", *arguments]
        return engines.run_as(
            self._place.programs,
            command,
            f"manage.py {arguments[0]}",
            environment=environment,
            standard_input=standard_input,
            folder=ROOT,
        )

    def _all_running(self) -> bool:
        return all(one.state == "running" for one in self._supervisor.processes())

    def _building_is_there(self, chosen: Ports) -> bool:
        pids = {one.name: one.pid for one in self._supervisor.processes()}
        return all(readiness.connected(pids.get(name), chosen.mqtt) for name in ("edge", "button"))

    def _own(self) -> None:
        """Give the programs the files that root created for them, and compile the sources that they cannot write to."""
        place = self._place
        place.programs.own(place.home)
        if place.programs.name is not None:
            with contextlib.redirect_stdout(io.StringIO()), readable_by_others():
                for package in PACKAGES:
                    compileall.compile_dir(str(ROOT / package), quiet=2)

    def _wait(self, what: str, seconds: float, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                raise Refusal(f"No {what} after {seconds:.0f} s: see ./dev logs, {self._place.logs}.")
            if not self._supervisor.alive():
                raise Refusal("SafeSignal was stopped while it started.")
            time.sleep(0.03)

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        with console.status(f"{what} ..."):
            yield
        console.print(f"[dim]{time.monotonic() - began:6.1f} s  {what}[/]")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one start run at a time: a second one waits, and then reports that SafeSignal is running."""
        with (self._place.home / "up.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _welcome(self, seconds: float) -> None:
        school = demo.load(self._place)
        people = "\n".join(f"  {role:<12} {one.email:<28} {one.password}" for role, one in school.users.items())
        text = (
            f"[bold]{school.base_url}/[/]   the live board; log in as one of\n{people}\n\n"
            "[bold]./dev press[/]    press a button and watch the alert arrive\n"
            "[bold]./dev status[/]   processes;  [bold]./dev logs[/]  logs;  [bold]./dev down[/]  stop everything\n"
            f"{self._place.demo}   the same for scripts\n"
            f"{self._place.mail}   e-mails: each is a file, none leaves this machine"
        )
        title = f"SafeSignal is ready ({seconds:.1f} s)"
        console.print(Panel(text, title=title, title_align="left", expand=False))
        closed = self._place.root_only
        if closed is not None:
            reason = f"Only root can read {closed.what} ({closed.path})"
            console.print(f"[yellow]{escape(reason)}, so everything but the database engines runs as root.[/]")

    def _stay(self) -> None:
        """Wait for Ctrl-C, SIGTERM, or ./dev down from elsewhere."""
        asked: list[int] = []

        def ask(number: int, frame: FrameType | None) -> None:
            asked.append(number)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, ask)
        console.print("Press Ctrl-C to stop everything.")
        while not asked and self._supervisor.alive():
            time.sleep(0.2)
        self._end()

    def _end(self) -> None:
        if self._supervisor.alive():
            console.print("Stopping everything, in order ...")
            self._supervisor.shut_down()


def migrations_digest() -> str:
    """Return a digest of the files that define the database."""
    digest = hashlib.sha256()
    for path in sorted([*ROOT.glob("apps/*/migrations/*"), *ROOT.glob("contracts/*.json"), engines.ROLES_SQL]):
        if path.is_file():
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
