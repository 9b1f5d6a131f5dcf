"""SQL functions: `sql/<name>.sql` in an app's folder has the current text of one, and migrations apply it.

A file creates or replaces its function completely: it includes `SET LOCAL ROLE` if the role `system` owns the function,
and the grants of EXECUTE. After a file has changed, `makemigrations` writes the migration.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.apps import apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import Migration
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.graph import MigrationGraph
from django.db.migrations.operations.base import Operation, OperationCategory
from django.db.migrations.state import ProjectState

DIGEST_LENGTH: Final = 16


class ApplyFunction(Operation):
    """Create or replace an SQL function from its file in the migration's app.

    `digest` identifies the text that the migration was written for. On a new database an earlier migration already
    creates the current text, so the body is not checked: it may need columns of a later migration.
    """

    category = OperationCategory.SQL

    def __init__(self, name: str, digest: str) -> None:
        self.name = name
        self.digest = digest

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Do nothing: functions are not part of the models' state."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Execute the file."""
        schema_editor.execute("SET LOCAL check_function_bodies = off", params=None)
        schema_editor.execute(function_sql(function_file(app_label, self.name)), params=None)
        schema_editor.execute("RESET check_function_bodies", params=None)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Keep the function: only its current text is available."""

    def describe(self) -> str:
        """Return the text that `makemigrations` and `migrate` print."""
        return f"Apply SQL function {self.name}"

    @property
    def migration_name_fragment(self) -> str:
        """The part for this operation in the migration names of `makemigrations`."""
        return f"function_{self.name}"


class FunctionAutodetector(MigrationAutodetector):
    """An autodetector that also detects functions whose file has changed."""

    def changes(
        self,
        graph: MigrationGraph,
        trim_to_apps: set[str] | None = None,
        convert_apps: set[str] | None = None,
        migration_name: str | None = None,
    ) -> dict[str, list[Migration]]:
        """Keep the graph, whose migrations record which texts were applied."""
        self._graph = graph
        return super().changes(graph, trim_to_apps, convert_apps, migration_name)

    def generate_altered_order_with_respect_to(self) -> None:
        """Add the functions after this last step, so that they follow their migration's changes to tables."""
        super().generate_altered_order_with_respect_to()
        for app_label, operation in _changed_functions(self._graph):
            self.add_operation(app_label, operation)


def function_file(app_label: str, name: str) -> Path:
    """Return the path of the file with a function's text."""
    return _folder(app_label) / f"{name}.sql"


def function_files(app_label: str) -> list[Path]:
    """Return the files of an app's functions, ordered by name."""
    return sorted(_folder(app_label).glob("*.sql"))


def function_sql(file: Path) -> str:
    """Return the statements that create or replace a function: its file, with temporary grants for `system`."""
    return f"""
        GRANT CREATE ON SCHEMA public TO safesignal_system;
        {file.read_text()}
        RESET ROLE;
        REVOKE CREATE ON SCHEMA public FROM safesignal_system;
    """


def _changed_functions(graph: MigrationGraph) -> Iterator[tuple[str, ApplyFunction]]:
    """Yield the app label and operation for each file whose text differs from the last applied one."""
    for config in apps.get_app_configs():
        applied = _applied_digests(graph, config.label)
        for file in function_files(config.label):
            digest = hashlib.sha256(file.read_bytes()).hexdigest()[:DIGEST_LENGTH]
            if applied.get(file.stem) != digest:
                yield config.label, ApplyFunction(file.stem, digest)


def _applied_digests(graph: MigrationGraph, app_label: str) -> dict[str, str]:
    """Return the digest of each function's text in the app's last migration of that function."""
    migrations = [
        graph.nodes[key]
        for leaf in graph.leaf_nodes(app_label)
        for key in graph.forwards_plan(leaf)
        if key[0] == app_label
    ]
    return {
        operation.name: operation.digest
        for migration in migrations
        if migration is not None
        for operation in migration.operations
        if isinstance(operation, ApplyFunction)
    }


def _folder(app_label: str) -> Path:
    return Path(apps.get_app_config(app_label).path) / "sql"
