"""The doctor's checks of PostgreSQL: version, roles, row-level security, migrations, the outbox."""

from collections.abc import Callable, Iterator
from typing import Final

from django.conf import settings
from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

OLDEST_VERSION: Final = 160_000
"""PostgreSQL 16, in the form of `server_version_num`."""
OUTBOX_SECONDS: Final = 10.0
MIGRATE: Final = "python manage.py migrate --database owner"
CLOCK_OFF_SECONDS: Final = 2.0
SAME_TIME: Final = "Let both machines keep their time by NTP: tokens and alarms carry it."
ROLES: Final = {"default": "safesignal_app", "system": "safesignal_system", "owner": "safesignal_owner"}

UNLOCKED: Final = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id' AND NOT a.attisdropped
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND has_table_privilege('safesignal_app', c.oid, 'SELECT')
        AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    ORDER BY 1
"""

Row = tuple[str, str, str, str]
"""Name, state, detail, advice."""


def database_findings() -> Iterator[Row]:
    """Yield one row for each check."""
    roles = [_role(alias) for alias in ROLES]
    yield from roles
    if roles[0][1] == "well":
        yield from _checked("row-level security", _row_level_security)
        yield from _checked("migrations", _migrations)
        yield from _checked("outbox", _outbox)
        yield from _checked("clock", _clock)


def _role(alias: str) -> Row:
    name, role = f"postgresql as {ROLES[alias].removeprefix('safesignal_')}", ROLES[alias]
    if alias not in settings.DATABASES:
        return name, "not here", "this process was not given the role", ""
    try:
        with connections[alias].cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_user,"
                " rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
            )
            number, version, user, bypasses = cursor.fetchone() or (0, "", "", True)
    except DatabaseError as error:
        variable = "DATABASE_URL" if alias == "default" else f"DATABASE_{alias.upper()}_URL"
        return name, "unwell", first_line(error), f"Start PostgreSQL, or set {variable} right."
    if number < OLDEST_VERSION:
        return name, "unwell", f"version {version}", "Upgrade PostgreSQL to 16 or newer."
    if user != role:
        return name, "unwell", f"it is {user}", f"Connect as {role}: deploy/postgres/roles.sql makes it."
    if bypasses:
        advice = f"ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS;"
        return name, "unwell", f"{role} passes every lock between schools", advice
    return name, "well", f"version {version}, no lock is passed", ""


def _checked(name: str, ask: Callable[[], tuple[str, str, str]]) -> Iterator[Row]:
    """Run one check that needs the database; report it as `not here` if the database is unavailable."""
    try:
        state, detail, advice = ask()
    except DatabaseError as error:
        yield name, "not here", f"PostgreSQL does not say: {first_line(error)}", ""
    else:
        yield name, state, detail, advice


def _row_level_security() -> tuple[str, str, str]:
    with connections["default"].cursor() as cursor:
        cursor.execute(UNLOCKED)
        unlocked = [row[0] for row in cursor.fetchall()]
    if unlocked:
        both = "ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
        statements = " ".join(f"ALTER TABLE {table} {both};" for table in unlocked)
        return "unwell", f"open between schools: {', '.join(unlocked)}", f"As safesignal_owner: {statements}"
    return "well", "every table of a school's data is locked", ""


def _migrations() -> tuple[str, str, str]:
    alias = "owner" if "owner" in settings.DATABASES else "default"
    if not MigrationRecorder(connections[alias]).has_table():
        return "unwell", "the database is empty", MIGRATE
    executor = MigrationExecutor(connections[alias])
    waiting = [f"{app}.{name}" for (app, name) in _unapplied(executor)]
    if waiting:
        return "unwell", f"{len(waiting)} not applied: {', '.join(waiting[:5])}", MIGRATE
    return "well", f"{len(executor.loader.applied_migrations)} applied", ""


def _unapplied(executor: MigrationExecutor) -> list[tuple[str, str]]:
    return [
        (migration.app_label, migration.name)
        for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())
    ]


def _outbox() -> tuple[str, str, str]:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT waiting, oldest_seconds FROM outbox_state()")
        waiting, oldest = cursor.fetchone() or (0, 0.0)
    if oldest > OUTBOX_SECONDS:
        return "unwell", f"{waiting} wait, the oldest for {oldest:.0f} s", "Start the relay: python manage.py relay."
    return "well", f"{waiting} wait", ""


def _clock() -> tuple[str, str, str]:
    """Compare with this machine's clock: the finding says only that they differ, not which one is right."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        off = (cursor.fetchone()[0] - timezone.now()).total_seconds()
    if abs(off) > CLOCK_OFF_SECONDS:
        return "unwell", f"PostgreSQL's is {off:+.1f} s off ours", SAME_TIME
    return "well", "PostgreSQL's is ours", ""


def first_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return str(error).strip().partition("\n")[0]
