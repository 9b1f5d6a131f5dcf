"""Where everything of one running SafeSignal lies.

`home` is the state folder: `var/` in the checkout, or SAFESIGNAL_HOME. Two things may have to lie elsewhere: Unix
sockets, whose paths hold about 100 bytes; and the engines when root starts them. Root runs everything as a user of its
own; where that user cannot get at the checkout, the Python or the state folder (under /root, say), only the engines run
as that user, from copies under /var/lib/safesignal. We never widen the rights of a folder above ours.
"""

import hashlib
import itertools
import os
import shutil
import stat
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from devstack.account import Account, myself, unprivileged
from devstack.errors import Refusal

ROOT = Path(__file__).resolve().parent.parent
SITE_PACKAGES = Path(sysconfig.get_paths()["purelib"])
# Raised when a newer SafeSignal cannot go on with what an older one left in the state folder.
STATE_VERSION = "1"
# The kernel's limit is 108 bytes with the closing NUL (104 on macOS); the longest that we append is
# "/postgres/.s.PGSQL.5432".
LONGEST_RUN_FOLDER = 80
# A new cluster takes about 100 MB; the rest is room for the write-ahead log and logs to turn over.
ROOM_NEEDED = 500_000_000


@dataclass(frozen=True)
class Layout:
    """The folders and sockets of one SafeSignal, and the users its processes run as."""

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
    demo: Path
    pgdata: Path
    valkey_data: Path
    postgres_socket_folder: Path
    valkey_socket: Path
    supervisor_socket: Path
    button_socket: Path
    engines_elsewhere: bool


def layout() -> Layout:
    """Where the SafeSignal of this checkout and environment lies; makes no folder."""
    home = Path(os.environ.get("SAFESIGNAL_HOME") or ROOT / "var").expanduser().absolute()
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    service = unprivileged()
    needed = (home.parent, ROOT, SITE_PACKAGES, Path(os.path.realpath(sys.executable)))
    together = all(service.may_read(path) for path in needed)
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
        demo=home / "demo.json",
        pgdata=engine_home / "postgres",
        valkey_data=engine_home / "valkey",
        postgres_socket_folder=run / "postgres",
        valkey_socket=run / "valkey" / "s",
        supervisor_socket=run / "supervisor",
        button_socket=run / "button" / "s",
        engines_elsewhere=not together,
    )


def run_folder(home: Path, digest: str, service: Account, *, at_home: bool) -> Path:
    """A folder whose path is short enough for Unix sockets, and one word to PostgreSQL, which reads a list of hosts."""
    if at_home and len(os.fsencode(home / "run")) <= LONGEST_RUN_FOLDER and "," not in str(home):
        return home / "run"
    if service.name is not None and os.access("/run", os.W_OK):
        return Path("/run/safesignal") / digest
    return Path(tempfile.gettempdir()) / f"safesignal-{os.geteuid()}-{digest}"


def prepare(place: Layout) -> None:
    """Make the folders, each 0700; refuse a state folder of another version and a full disk."""
    check_version(place)
    check_room(place.home)
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
    private_folder(place.button_socket.parent, place.programs)
    version = place.home / "version"
    if not version.exists():
        version.write_text(STATE_VERSION + "\n")


def _set_aside(folder: Path) -> None:
    """Keep, under another name, what the engines of a state folder that was deleted by hand have left.

    A new state folder at the same path has other passwords, so it could not open that database anyway.
    """
    if not folder.exists():
        return
    kept = next(path for number in itertools.count(1) if not (path := folder.with_suffix(f".{number}")).exists())
    folder.rename(kept)
    print(f"The state folder at this path was deleted; its database is kept as {kept}.", file=sys.stderr)


def remove(place: Layout) -> None:
    """Remove everything of it, also what lies elsewhere. Nothing of it may run any more."""
    for folder in (place.home, place.engine_home, place.run):
        if folder.exists():
            shutil.rmtree(folder)


def check_version(place: Layout) -> None:
    """Refuse a folder that is no state folder, or one that another version of SafeSignal wrote."""
    if not place.home.exists():
        return
    if not place.home.is_dir():
        raise Refusal(f"The state folder {place.home} is a file.")
    try:
        found = (place.home / "version").read_text().strip()
    except FileNotFoundError:
        if any(place.home.iterdir()):
            raise Refusal(
                f"{place.home} is not empty and no state folder of SafeSignal: name another in SAFESIGNAL_HOME."
            ) from None
        return
    if found != STATE_VERSION:
        raise Refusal(
            f"The state folder {place.home} is of another version of SafeSignal (state {found}, this one has "
            f"{STATE_VERSION}): run that version, name another folder in SAFESIGNAL_HOME, or ./dev reset."
        )


def check_room(home: Path, needed: int = ROOM_NEEDED) -> None:
    """Refuse to start on a disk that is about to be full: a database that stops half-way is worse."""
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise Refusal(
            f"The disk is full: {free // 1_000_000} MB free at {existing}, SafeSignal needs {needed // 1_000_000} MB."
        )


def private_folder(folder: Path, owner: Account) -> None:
    """A folder that only its owner can enter. One that somebody else made beforehand (in /tmp, say) is refused."""
    try:
        folder.mkdir(mode=0o700, parents=True)
        if owner.name is not None:
            os.chown(folder, owner.uid, owner.gid)
    except FileExistsError:
        found = folder.lstat()
        mine = {owner.uid, os.geteuid()} if os.geteuid() == 0 else {owner.uid}
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in mine:
            raise Refusal(
                f"{folder} belongs to somebody else: it must be a folder of the user who runs SafeSignal."
            ) from None
        if found.st_uid != owner.uid:
            os.chown(folder, owner.uid, owner.gid)
        folder.chmod(0o700)


def shared_parent(folder: Path) -> None:
    """A folder of root that others may pass through, and not list."""
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file of mode 0600, all of it or nothing."""
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
