"""Locations of all files of one running SafeSignal.

`home` is the state folder: `var/` in the checkout, or SAFESIGNAL_HOME. Two things may need another place: Unix sockets,
whose paths are limited to about 100 bytes, and the engines when root starts them. Root runs everything as a service
user. Where that user cannot read the checkout, the Python or the state folder (under /root, for example), only the
engines run as that user, from copies under /var/lib/safesignal. The rights of parent folders are never widened.

Modes do not depend on the umask: every folder and file is either private (0700, 0600), a folder that others must pass
through (0711), or a program that they must read. Wrong modes are repaired on our own files and folders, and reported in
a refusal on others.
"""

import contextlib
import hashlib
import itertools
import os
import shutil
import stat
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import Refusal
from devstack.machine.account import Account, myself, unprivileged

ROOT = Path(__file__).resolve().parents[2]
SITE_PACKAGES = Path(sysconfig.get_paths()["purelib"])
# Increased when a newer SafeSignal cannot use the state folder of an older one.
STATE_VERSION = "2"
# The kernel's limit is 108 bytes with the closing NUL (104 on macOS); the longest suffix is
# "/postgres/.s.PGSQL.5432".
LONGEST_RUN_FOLDER = 80
# A new cluster takes about 100 MB; the rest is for the write-ahead log and log rotation.
ROOM_NEEDED = 500_000_000
# The folders of our programs, below ROOT.
PACKAGES = ("apps", "contracts", "devstack", "edge_agent", "safesignal", "static", "templates")
# Others may pass through, but not list.
PASSABLE = 0o711
READABLE = 0o755
PRIVATE = 0o700


@dataclass(frozen=True)
class Layout:
    """The folders and sockets of one SafeSignal, and the users of its processes."""

    home: Path
    engine_home: Path
    run: Path
    engines: Account
    programs: Account
    logs: Path
    pki: Path
    keys: Path
    processes: Path
    edge: Path
    buttons: Path
    beat: Path
    objects: Path
    mail: Path
    """E-mails of a development machine: one file per sending connection."""
    demo: Path
    pgdata: Path
    valkey_data: Path
    postgres_socket_folder: Path
    valkey_socket: Path
    supervisor_socket: Path
    button_socket: Path
    root_only: "Needed | None"
    """A path that only root can read, if any: then everything but the engines runs as root."""

    @property
    def engines_elsewhere(self) -> bool:
        """Whether the engines run from copies outside the state folder, as a user who cannot read the rest."""
        return self.root_only is not None


@dataclass(frozen=True)
class Needed:
    """A path that every program reads, with its description."""

    what: str
    path: Path


def layout() -> Layout:
    """Return the locations for this checkout and environment, without creating folders."""
    home = Path(os.environ.get("SAFESIGNAL_HOME") or ROOT / "var").expanduser().absolute()
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    service = unprivileged()
    root_only = first_root_only(service, needed_by_programs(home))
    together = root_only is None
    engine_home = home / "engines" if together else Path("/var/lib/safesignal") / digest
    run = run_folder(home, digest, service, at_home=together)
    return Layout(
        home=home,
        engine_home=engine_home,
        run=run,
        engines=service,
        programs=service if together else myself(),
        logs=home / "logs",
        pki=home / "pki",
        keys=home / "keys",
        processes=home / "processes",
        edge=home / "edge",
        buttons=home / "buttons",
        beat=home / "beat",
        objects=home / "objects",
        mail=home / "mail",
        demo=home / "demo.json",
        pgdata=engine_home / "postgres",
        valkey_data=engine_home / "valkey",
        postgres_socket_folder=run / "postgres",
        valkey_socket=run / "valkey" / "s",
        supervisor_socket=run / "supervisor",
        button_socket=run / "button" / "s",
        root_only=root_only,
    )


def needed_by_programs(home: Path) -> list[Needed]:
    """Return the paths that every program reads."""
    return [
        Needed("this checkout", ROOT),
        Needed("the Python of this checkout's .venv", Path(os.path.realpath(sys.executable))),
        Needed("the packages of this checkout's .venv", SITE_PACKAGES),
        Needed("the folder that holds the state folder", home.parent),
    ]


def first_root_only(service: Account, needed: list[Needed]) -> Needed | None:
    """Return the first path that `service` cannot read, if any."""
    return next((one for one in needed if not service.may_read(one.path)), None)


def run_folder(home: Path, digest: str, service: Account, *, at_home: bool) -> Path:
    """Return a folder short enough for Unix sockets and without commas, which separate hosts for PostgreSQL."""
    if at_home and len(os.fsencode(home / "run")) <= LONGEST_RUN_FOLDER and "," not in str(home):
        return home / "run"
    if service.name is not None and os.access("/run", os.W_OK):
        return Path("/run/safesignal") / digest
    return Path(tempfile.gettempdir()) / f"safesignal-{os.geteuid()}-{digest}"


def prepare(place: Layout) -> None:
    """Create the folders with mode 0700; refuse other state versions, a full disk and unreadable programs."""
    check_version(place)
    check_room(place.home)
    check_readable(place.programs)
    if place.engines_elsewhere and not (place.home / "version").exists():
        _set_aside(place.engine_home)
    private_folder(place.home, place.programs)
    if place.engines_elsewhere:
        shared_parent(place.engine_home.parent)
    if place.run.parent == Path("/run/safesignal"):
        shared_parent(place.run.parent)
    private_folder(place.engine_home, place.engines)
    private_folder(place.run, place.engines)
    for folder in (place.valkey_data, place.postgres_socket_folder, place.valkey_socket.parent):
        private_folder(folder, place.engines)
    for folder in (place.logs, place.pki, place.keys, place.processes, place.edge, place.buttons):
        private_folder(folder, place.programs)
    for folder in (place.beat, place.objects, place.mail):
        private_folder(folder, place.programs)
    private_folder(place.button_socket.parent, place.programs)
    check_passable(place.programs, place.home)
    check_passable(place.engines, place.engine_home)
    check_passable(place.engines, place.run)
    version = place.home / "version"
    if not version.exists():
        version.write_text(STATE_VERSION + "\n")


def _set_aside(folder: Path) -> None:
    """Keep the engines' folder of a manually deleted state folder under another name.

    A new state folder at the same path has other passwords, so it could not open that database anyway.
    """
    if not folder.exists():
        return
    kept = next(path for number in itertools.count(1) if not (path := folder.with_suffix(f".{number}")).exists())
    folder.rename(kept)
    print(f"The state folder at this path was deleted; its database is kept as {kept}.", file=sys.stderr)


def remove(place: Layout) -> None:
    """Remove everything, including folders in other places. No process may be running."""
    for folder in (place.home, place.engine_home, place.run):
        if folder.exists():
            shutil.rmtree(folder)


def check_version(place: Layout) -> None:
    """Refuse a folder that is not a state folder, or one of another version."""
    if not place.home.exists():
        return
    if not place.home.is_dir():
        raise Refusal(f"The state folder {place.home} is a file.")
    try:
        existing = (place.home / "version").read_text().strip()
    except FileNotFoundError:
        if any(place.home.iterdir()):
            raise Refusal(
                f"{place.home} is not empty and not a state folder of SafeSignal: set SAFESIGNAL_HOME to another."
            ) from None
        return
    if existing != STATE_VERSION:
        raise Refusal(
            f"The state folder {place.home} is of another version of SafeSignal (state {existing}, this one has "
            f"{STATE_VERSION}): run that version, set SAFESIGNAL_HOME to another folder, or run ./dev reset."
        )


def check_room(home: Path, needed: int = ROOM_NEEDED) -> None:
    """Refuse to start on a nearly full disk: a database that stops half-way is worse."""
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise Refusal(
            f"The disk is full: {free // 1_000_000} MB free at {existing}, SafeSignal needs {needed // 1_000_000} MB."
        )


def check_readable(account: Account, root: Path = ROOT, site_packages: Path = SITE_PACKAGES) -> None:
    """Refuse programs that `account` cannot read, for example after `git pull` with a umask of 077."""
    if account.name is None:
        return
    ours = (path for name in PACKAGES for path in (root / name).rglob("*") if path.parent.name != "__pycache__")
    for path in (root / "manage.py", *(root / name for name in PACKAGES), *ours, *site_packages.iterdir()):
        if not account.has_read_bits(path):
            top = site_packages if path.is_relative_to(site_packages) else root
            raise Refusal(
                f"{path} cannot be read by the user {account.name}, who runs SafeSignal: run chmod -R go+rX '{top}'."
            )


def check_passable(account: Account, folder: Path) -> None:
    """Refuse a folder that `account` cannot reach because of a parent folder that is not ours to change."""
    closed = account.first_closed_parent(folder)
    if closed is not None:
        raise Refusal(
            f"The user {account.name} needs {folder} and cannot pass through {closed}: run chmod o+x '{closed}'."
        )


def private_folder(folder: Path, owner: Account) -> None:
    """Create a folder that only its owner can enter. Refuse an existing one of another user (in /tmp, for example)."""
    if not folder.parent.exists():
        _make_parents(folder.parent, READABLE if owner.name is not None else PRIVATE)
    try:
        folder.mkdir(mode=PRIVATE)
        if owner.name is not None:
            os.chown(folder, owner.uid, owner.gid)
    except FileExistsError:
        existing = folder.lstat()
        mine = {owner.uid, os.geteuid()} if os.geteuid() == 0 else {owner.uid}
        if not stat.S_ISDIR(existing.st_mode) or existing.st_uid not in mine:
            raise Refusal(
                f"{folder} belongs to another user: it must be a folder of the user who runs SafeSignal."
            ) from None
        if existing.st_uid != owner.uid:
            os.chown(folder, owner.uid, owner.gid)
    folder.chmod(PRIVATE)


def _make_parents(folder: Path, mode: int) -> None:
    """Create `folder` and missing parents with `mode`: mkdir(parents=True) would apply the umask."""
    if folder.exists():
        return
    _make_parents(folder.parent, mode)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(mode)


def shared_parent(folder: Path) -> None:
    """Create a folder of root that others may pass through but not list; repair the mode of an existing one."""
    _make_parents(folder.parent, READABLE)
    folder.mkdir(exist_ok=True)
    existing = folder.lstat()
    if not stat.S_ISDIR(existing.st_mode) or existing.st_uid != os.geteuid():
        raise Refusal(f"{folder} belongs to another user: it must be a folder of the user who runs SafeSignal.")
    if stat.S_IMODE(existing.st_mode) != PASSABLE:
        folder.chmod(PASSABLE)


def write_for_owner_only() -> None:
    """Make later files unreadable for others, unless their mode is given explicitly.

    Also disable writing of Python's cached bytecode, which is beside the sources, where other users need it.
    """
    os.umask(0o077)
    sys.dont_write_bytecode = True


@contextlib.contextmanager
def readable_by_others() -> Iterator[None]:
    """Make files written inside readable for others, whatever the umask outside."""
    outside = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(outside)


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file with mode 0600 atomically."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
