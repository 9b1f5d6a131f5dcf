"""How far a press has come: the transition table, and the one function that goes by it."""

from enum import StrEnum


class Stage(StrEnum):
    """How far."""

    RECEIVED = "received"
    VALIDATED = "validated"
    DEDUPLICATED = "deduplicated"
    DECIDED = "decided"
    ACTED = "acted"
    FORWARDED = "forwarded"
    CLEARED = "cleared"
    REJECTED = "rejected"


FOLLOWS: dict[Stage, frozenset[Stage]] = {
    Stage.RECEIVED: frozenset({Stage.VALIDATED, Stage.REJECTED}),
    Stage.VALIDATED: frozenset({Stage.DEDUPLICATED}),
    Stage.DEDUPLICATED: frozenset({Stage.DECIDED}),
    Stage.DECIDED: frozenset({Stage.ACTED, Stage.CLEARED}),
    Stage.ACTED: frozenset({Stage.FORWARDED, Stage.CLEARED}),
    Stage.FORWARDED: frozenset({Stage.CLEARED}),
    Stage.CLEARED: frozenset(),
    Stage.REJECTED: frozenset(),
}
"""A press ends at `deduplicated` when it is a repeat; a press that joins an alert ends at `decided`."""


class IllegalStage(ValueError):
    """The table has no such step."""


def advance(stage: Stage, to: Stage) -> Stage:
    """The next stage; the same one again is no step."""
    if to is not stage and to not in FOLLOWS[stage]:
        raise IllegalStage(f"{stage} -> {to}")
    return to


def may(stage: Stage, to: Stage) -> bool:
    """Whether the table has this step."""
    return to in FOLLOWS[stage]
