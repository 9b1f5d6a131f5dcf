"""The stages of a press: the transition table and the function that applies it."""

from enum import StrEnum


class Stage(StrEnum):
    """A stage of processing."""

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
"""A repeat ends at `deduplicated`; a press that joins an alert ends at `decided`."""


class IllegalStage(ValueError):
    """A transition that is not in the table."""


def advance(stage: Stage, to: Stage) -> Stage:
    """Return the next stage; repeating the current one is allowed."""
    if to is not stage and to not in FOLLOWS[stage]:
        raise IllegalStage(f"{stage} -> {to}")
    return to


def may(stage: Stage, to: Stage) -> bool:
    """Whether the table allows this transition."""
    return to in FOLLOWS[stage]
