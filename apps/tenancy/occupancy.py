"""What prevents the deletion of a place or of an organization: the things there that other apps own.

The apps register a callback for each kind at startup:
- `devices`, `gateways`: apps.devices
- `open_alerts`: apps.alerts
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import msgspec

from apps.common.problems import Conflict

NAMES_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Extent:
    """What would be deleted: these buildings and rooms of an organization, or with `is_everything` all of it."""

    organization_id: UUID
    buildings: frozenset[UUID] = frozenset()
    rooms: frozenset[UUID] = frozenset()
    is_everything: bool = False


class Occupants(msgspec.Struct, frozen=True):
    """Things of one kind in an extent: how many, and the first names."""

    what: str
    count: int
    names: list[str]


Answer = Callable[[Extent], Sequence[str]]
"""Returns the names of all things of one kind in an extent."""

_answers: dict[str, Answer] = {}


class PlaceInUse(Conflict):
    """Something in the place still needs it; `in_the_way` says what, how many, and the first names."""

    code = "place_in_use"
    default_detail = "Something still stands there: move it, or close it, then delete the place."


def register(what: str, answer: Answer) -> None:
    """Register the callback for a kind of thing. Raises ValueError if `what` has another one."""
    if _answers.setdefault(what, answer) is not answer:
        raise ValueError(f"Another callback for {what} is registered already.")


def require_empty(extent: Extent) -> None:
    """Raise PlaceInUse if anything is in the extent."""
    found = [(what, answer(extent)) for what, answer in _answers.items()]
    in_the_way = [Occupants(what, len(names), list(names[:NAMES_SHOWN])) for what, names in found if names]
    if in_the_way:
        raise PlaceInUse(in_the_way=msgspec.to_builtins(in_the_way))
