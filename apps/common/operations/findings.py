"""What the doctor says of one thing, and which apps add checks of their own to it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """How it is."""

    WELL = "well"
    UNWELL = "unwell"
    NOT_HERE = "not here"
    """This process was not given it, or it is not configured."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `advice` is empty unless it is unwell."""

    name: str
    state: State
    detail: str
    advice: str = ""


def well(name: str, detail: str) -> Finding:
    """It is as it should be."""
    return Finding(name, State.WELL, detail)


def unwell(name: str, detail: object, advice: str) -> Finding:
    """It is not; `advice` says what to do."""
    return Finding(name, State.UNWELL, str(detail).strip().partition("\n")[0], advice)


def not_here(name: str, detail: str) -> Finding:
    """There is nothing to look at from here."""
    return Finding(name, State.NOT_HERE, detail)


Check = Callable[[datetime], Iterator[Finding]]
"""What an app looks at, at a moment."""
_checks: list[Check] = []


def register(check: Check) -> None:
    """Let the doctor make this check too."""
    _checks.append(check)


def registered() -> Sequence[Check]:
    """The checks of the apps, in the order of the apps."""
    return tuple(_checks)
