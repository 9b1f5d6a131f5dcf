"""Findings of the doctor, and the registry of checks that apps add to it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """The state of what was checked."""

    WELL = "well"
    UNWELL = "unwell"
    NOT_HERE = "not here"
    """This process was not given it, or it is not configured."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `advice` is empty unless the state is unwell."""

    name: str
    state: State
    detail: str
    advice: str = ""


def well(name: str, detail: str) -> Finding:
    """Return a finding without faults."""
    return Finding(name, State.WELL, detail)


def unwell(name: str, detail: object, advice: str) -> Finding:
    """Return a finding with a fault; `advice` says what to do."""
    return Finding(name, State.UNWELL, str(detail).strip().partition("\n")[0], advice)


def not_here(name: str, detail: str) -> Finding:
    """Return a finding for something that cannot be checked from here."""
    return Finding(name, State.NOT_HERE, detail)


Check = Callable[[datetime], Iterator[Finding]]
"""A check of an app, called with the current time."""
_checks: list[Check] = []


def register(check: Check) -> None:
    """Add a check to the doctor, unless it has it: `ready()` may run again."""
    if check not in _checks:
        _checks.append(check)


def registered() -> Sequence[Check]:
    """Return the checks of the apps, in the order of the apps."""
    return tuple(_checks)
