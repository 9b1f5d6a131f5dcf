"""Each SQL function of the database matches its file, and a changed file has a migration."""

import importlib
from pathlib import Path
from typing import Final

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connections, transaction
from django.test.utils import modify_settings

from apps.common.db.functions import function_files, function_sql

FUNCTIONS: Final = """
    SELECT p.proname::text, p.oid::regprocedure::text, pg_get_functiondef(p.oid), p.proowner::regrole::text,
           coalesce(p.proacl, acldefault('f', p.proowner))::text
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
    ORDER BY 1, 2
"""
EXAMPLE: Final = "CREATE OR REPLACE FUNCTION example_function() RETURNS integer LANGUAGE sql AS 'SELECT {answer}';\n"

Function = tuple[str, str, str, str, str]
"""Name, signature, definition (with volatility, security and settings), owner, grants."""


def test_every_function_has_one_file() -> None:
    """No name has two signatures: a changed signature leaves the old function behind unless its file drops it."""
    assert [name for name, *_ in functions()] == sorted(file.stem for file in files())


def test_every_function_matches_its_file() -> None:
    """With its owner and grants, whether the file replaces the present function or creates it."""
    present = {function[0]: function for function in functions()}
    for file in files():
        function = present[file.stem]
        assert executed(file) == function
        assert executed(file, first=f"DROP FUNCTION {function[1]} CASCADE") == function


def test_changed_function_file_has_a_migration() -> None:
    """`./dev manage makemigrations` writes the missing one."""
    call_command("makemigrations", check_changes=True, dry_run=True)


def test_makemigrations_writes_a_migration_for_a_changed_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first text of a function to its second, as a developer changes it."""
    app = tmp_path / "example_of_functions"
    for folder in (app / "migrations", app / "sql"):
        folder.mkdir(parents=True)
    for package in (app, app / "migrations"):
        (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with modify_settings(INSTALLED_APPS={"append": app.name}):
        try:
            for answer in (1, 2):
                (app / "sql" / "example_function.sql").write_text(EXAMPLE.format(answer=answer))
                with pytest.raises(SystemExit):
                    call_command("makemigrations", app.name, check_changes=True, dry_run=True)
                call_command("makemigrations", app.name, verbosity=0)
                importlib.invalidate_caches()
                call_command("makemigrations", app.name, check_changes=True, dry_run=True)
                call_command("migrate", app.name, database="owner", verbosity=0)
                assert answer_of_example() == answer
        finally:
            call_command("migrate", app.name, "zero", database="owner", verbosity=0)
            with connections["owner"].cursor() as cursor:
                cursor.execute("DROP FUNCTION IF EXISTS example_function()")


def files() -> list[Path]:
    """Return the function files of all apps."""
    return [file for config in apps.get_app_configs() for file in function_files(config.label)]


def functions() -> list[Function]:
    """Return all functions outside PostgreSQL's own schemas."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(FUNCTIONS)
        found: list[Function] = cursor.fetchall()
    return found


def executed(file: Path, *, first: str = "SELECT 1") -> Function:
    """Return the function after executing its file; roll back all changes."""
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute(first)
        cursor.execute(function_sql(file))
        (function,) = (function for function in functions() if function[0] == file.stem)
        transaction.set_rollback(True, using="owner")
    return function


def answer_of_example() -> int:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT example_function()")
        (answer,) = cursor.fetchone()
    assert isinstance(answer, int)
    return answer
