"""Every problem that this cloud can return: for the pages that `type` refers to, and for `docs/problems.md`."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pkgutil import walk_packages
from typing import Final

from django.apps import apps

from apps.common.problems import Problem


@dataclass(frozen=True, slots=True)
class Entry:
    """A problem code, with its meaning and advice."""

    code: str
    status: int
    meaning: str
    advice: str


PAGE_HEAD: Final = """# Problems

Every refusal is `application/problem+json` (RFC 9457) with a stable `code`; `type` is the address of a page that says
the same as this list. Programs decide by `code`, people read `detail`. `errors` names the fields that are at fault,
each with a list of reasons. A refusal changed nothing, so that it is safe to repeat.

Written by `python manage.py problems > docs/problems.md`; a test says when it is stale.

| code | status | means | what to do |
|---|---|---|---|
"""


def catalogue() -> dict[str, Entry]:
    """Return all problems by code."""
    _load_all()
    return {entry.code: entry for entry in sorted(map(_entry, _family(Problem)), key=lambda entry: entry.code)}


def markdown() -> str:
    """Return the text of `docs/problems.md`."""
    rows = (f"| `{e.code}` | {e.status} | {_cell(e.meaning)} | {_cell(e.advice)} |\n" for e in catalogue().values())
    return PAGE_HEAD + "".join(rows)


def _load_all() -> None:
    """Import all modules: each problem is defined next to the service that raises it."""
    for app in apps.get_app_configs():
        if app.name.startswith("apps."):
            for module in walk_packages(app.module.__path__, f"{app.name}.") if app.module else ():
                if not {"migrations", "management"} & set(module.name.split(".")):
                    import_module(module.name)


def _family(problem: type[Problem]) -> Iterator[type[Problem]]:
    """Yield a problem and its subclasses that define a code; a base class without its own code is skipped."""
    if problem.__module__.startswith("apps.") and "code" in vars(problem):
        yield problem
    for child in problem.__subclasses__():
        yield from _family(child)


def _entry(problem: type[Problem]) -> Entry:
    meaning = " ".join(inspect.cleandoc(problem.__doc__ or "").partition("\n\n")[0].split())
    return Entry(problem.code, int(problem.status), meaning, problem.default_detail)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
