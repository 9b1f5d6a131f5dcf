"""Registry of other apps' records of a person's actions, for the person's own export.

Apps register them at startup:
- `alert_events`, `alert_notes`: apps.alerts
"""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

Trace = Mapping[str, object]
Answer = Callable[[UUID], Sequence[Trace]]
"""Returns all of a person's actions of one kind in the organizations in scope, oldest first."""

_answers: dict[str, Answer] = {}


def register(what: str, answer: Answer) -> None:
    """Register the source of records of kind `what`. Raises ValueError if there is another one."""
    if _answers.setdefault(what, answer) is not answer:
        raise ValueError(f"Records of {what} already have a source.")


def of_person(user_id: UUID) -> dict[str, Sequence[Trace]]:
    """Return all records of a person, by kind."""
    return {what: answer(user_id) for what, answer in _answers.items()}
