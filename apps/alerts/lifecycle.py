"""What an alert may become next: one table, applied by one pure function ("Status and what may follow, nothing else").

The press time decides, and resolved beats acknowledged: nothing opens a closed alert again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from apps.alerts.models import AlertStatus
from apps.common.problems import Conflict


class Act(StrEnum):
    """What can be done to an alert."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"


TRANSITIONS: Final[Mapping[tuple[AlertStatus, Act], AlertStatus]] = {
    (AlertStatus.NEW, Act.ACKNOWLEDGE): AlertStatus.ACKNOWLEDGED,
    (AlertStatus.NEW, Act.RESOLVE): AlertStatus.RESOLVED,
    (AlertStatus.ACKNOWLEDGED, Act.RESOLVE): AlertStatus.RESOLVED,
}
REPEATS: Final = frozenset({(AlertStatus.ACKNOWLEDGED, Act.ACKNOWLEDGE), (AlertStatus.RESOLVED, Act.RESOLVE)})
"""Already so: answered as the first was, and nothing changes."""

OPEN: Final = frozenset({AlertStatus.NEW, AlertStatus.ACKNOWLEDGED})


class IllegalTransition(Conflict):
    """The alert is in a state from which this does not follow."""

    code = "illegal_transition"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an act leads to. `status` is what the alert is afterwards."""

    status: AlertStatus
    changed: bool
    awaiting_second_person: bool = False


def follow(status: AlertStatus, act: Act) -> Outcome:
    """The outcome of `act` on an alert in `status`. Raises IllegalTransition."""
    if (status, act) in REPEATS:
        return Outcome(status, changed=False)
    try:
        return Outcome(TRANSITIONS[status, act], changed=True)
    except KeyError:
        raise IllegalTransition(f"This alert is {status}: it cannot be {_PAST[act]} any more.") from None


def approve(
    status: AlertStatus,
    *,
    approvals: Sequence[UUID],
    required: int,
    person: UUID | None,
    vouched: UUID | None = None,
    by_gateway: bool = False,
) -> Outcome:
    """The outcome of a `resolve` where `required` different persons end an alert.

    A `person` of None is an act without a person's name (a key switch): enough where one is required, never where two
    are. A gateway's word (`by_gateway`) counts for one of two persons: not where `vouched`, one of the approvals, rests
    on a gateway's word already. That person's own act makes it theirs.
    """
    outcome = follow(status, Act.RESOLVE)
    if not outcome.changed or required == 1:
        return outcome
    given = set(approvals)
    if person is None or (by_gateway and (person in given or vouched is not None)):
        return Outcome(status, changed=False, awaiting_second_person=True)
    counted = person not in given or (person == vouched and not by_gateway)
    if len(given | {person}) < required:
        return Outcome(status, changed=counted, awaiting_second_person=True)
    return outcome


_PAST: Final = {Act.ACKNOWLEDGE: "acknowledged", Act.RESOLVE: "resolved"}
