"""The database as deploy/postgres creates it, and backup and restore as in docs/operations.md: on a real PostgreSQL."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from devstack.machine.account import Account, unprivileged
from devstack.machine.paths import layout
from devstack.stack.engines import postgres_bin
from devstack.testing.stack import free_ports

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("owner", "app", "system")
TENANT_TABLE = """
    CREATE TABLE things (organization_id int, name text);
    ALTER TABLE things ENABLE ROW LEVEL SECURITY;
    ALTER TABLE things FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenant ON things TO safesignal_app
        USING (organization_id = nullif(current_setting('safesignal.one', true), '')::int);
    CREATE POLICY migrations ON things TO safesignal_owner USING (true) WITH CHECK (true);
    GRANT SELECT ON things TO safesignal_app;
    INSERT INTO things VALUES (1, 'one'), (2, 'two');
"""

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL configured as in the container: trust for its own user by socket, passwords by TCP."""

    folder: Path
    programs: Path
    account: Account
    port: int

    def run(
        self, *command: str | Path, check: bool = True, stdin: int | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        other = self.account.name is not None
        done = subprocess.run(
            [str(part) for part in command],
            check=False,
            capture_output=True,
            stdin=stdin,
            cwd="/",
            user=self.account.uid if other else None,
            group=self.account.gid if other else None,
            extra_groups=[] if other else None,
            env={
                "PATH": f"{self.programs}:{os.environ['PATH']}",
                "PGHOST": str(self.folder),
                "PGPORT": str(self.port),
                "SECRETS": str(self.folder / "secrets"),
                "ROLES_SQL": str(self.folder / "roles.sql"),
            },
        )
        assert not check or done.returncode == 0, done.stderr.decode()
        return done

    def connect(self, role: str, password: str | None = None) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname="safesignal",
            user=f"safesignal_{role}",
            password=password or f"pass'word of {role} \\ 100%",
        )


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A new, running cluster with the secrets of the three roles and an otherwise empty state."""
    account = unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="safesignal-database-"))
    monkeypatch.setenv("SAFESIGNAL_HOME", str(folder / "home"))
    (folder / "secrets").mkdir()
    for role in ROLES:
        (folder / "secrets" / f"postgres_{role}_password").write_text(f"pass'word of {role} \\ 100%\n")
    for script in ("init.sh", "roles.sql"):
        shutil.copy(ROOT / "deploy" / "postgres" / script, folder)
    account.own(folder)
    place = layout()
    cluster = Cluster(folder, postgres_bin(place), account, free_ports(1)[0])
    control = ("pg_ctl", "--pgdata", folder / "data", "--wait")
    try:
        cluster.run("initdb", "--pgdata", folder / "data", "--username=postgres", "--auth-host=scram-sha-256")
        listen = (
            f"-c listen_addresses=127.0.0.1 -c port={cluster.port} -c unix_socket_directories={folder} -c fsync=off"
        )
        cluster.run(*control, "--log", folder / "log", "--options", listen, "start")
        yield cluster
    finally:
        cluster.run(*control, "--mode", "immediate", "stop", check=False)
        shutil.rmtree(folder)
        if place.engines_elsewhere:
            shutil.rmtree(place.engine_home, ignore_errors=True)


def test_first_start_creates_three_roles_without_bypass_rights(cluster: Cluster) -> None:
    cluster.run(cluster.folder / "init.sh")
    for role in ROLES:
        with cluster.connect(role) as connection:
            rights = connection.execute(
                "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication"
                " FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
            assert rights == (False, False, False, False, False)
            makes_tables = connection.execute("SELECT has_schema_privilege('public', 'CREATE')").fetchone()
            assert makes_tables == (role == "owner",)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            cluster.connect(role, "another")


@pytest.mark.parametrize("broken", ["missing", "empty"])
def test_nothing_is_created_when_a_password_is_missing(cluster: Cluster, broken: str) -> None:
    secret = cluster.folder / "secrets" / "postgres_system_password"
    secret.unlink()
    if broken == "empty":
        secret.touch()
    refused = cluster.run(cluster.folder / "init.sh", check=False)
    assert refused.returncode != 0 and b"postgres_system_password" in refused.stderr
    count = cluster.run(
        "psql", "-XAtU", "postgres", "-c", "SELECT count(*) FROM pg_roles WHERE rolname ~ '^safesignal'"
    )
    assert count.stdout.strip() == b"0"


def test_restore_brings_back_rows_policies_and_grants(cluster: Cluster) -> None:
    cluster.run(cluster.folder / "init.sh")
    with cluster.connect("owner") as connection:
        connection.execute(TENANT_TABLE)
    dump = cluster.run("pg_dump", "--username", "postgres", "--format", "custom", "safesignal").stdout
    saved = cluster.folder / "safesignal.dump"
    saved.write_bytes(dump)
    cluster.run("dropdb", "--username", "postgres", "safesignal")
    with saved.open("rb") as file:
        restore = ("pg_restore", "--username", "postgres", "--create", "--exit-on-error", "--dbname", "postgres")
        cluster.run(*restore, stdin=file.fileno())
    with cluster.connect("owner") as connection:
        assert connection.execute("SELECT count(*) FROM things").fetchone() == (2,)
    with cluster.connect("app") as connection:
        assert connection.execute("SELECT count(*) FROM things").fetchone() == (0,)
        connection.execute("SET LOCAL safesignal.one = '2'")
        assert connection.execute("SELECT name FROM things").fetchall() == [("two",)]
        public = connection.execute("SELECT has_database_privilege('public', 'safesignal', 'CONNECT')").fetchone()
        assert public == (False,)
