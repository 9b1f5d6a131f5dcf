"""What other apps keep of what a person did: asked of them for the person's own export.

They say it when they start:
- `alert_events`, `alert_notes`: apps.alerts
"""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

Trace = Mapping[str, object]
Answer = Callable[[UUID], Sequence[Trace]]
"""Everything of one kind that a person did in the organizations of the open scope, oldest first."""

_answers: dict[str, Answer] = {}


def register(what: str, answer: Answer) -> None:
    """Say what of one's own a person has left. Raises ValueError when somebody else speaks for `what`."""
    if _answers.setdefault(what, answer) is not answer:
        raise ValueError(f"Who else knows of {what} is registered already.")


def of_person(user_id: UUID) -> dict[str, Sequence[Trace]]:
    """All of it, by kind."""
    return {what: answer(user_id) for what, answer in _answers.items()}
