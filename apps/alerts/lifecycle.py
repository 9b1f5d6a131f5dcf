"""The alert's state machine: one table, applied by one pure function ("Status and what may follow, nothing else").

The press time decides, and resolved wins over acknowledged: nothing reopens a closed alert.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from apps.alerts.models import AlertStatus
from apps.common.problems import Conflict


class Act(StrEnum):
    """Actions on an alert."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"


TRANSITIONS: Final[Mapping[tuple[AlertStatus, Act], AlertStatus]] = {
    (AlertStatus.NEW, Act.ACKNOWLEDGE): AlertStatus.ACKNOWLEDGED,
    (AlertStatus.NEW, Act.RESOLVE): AlertStatus.RESOLVED,
    (AlertStatus.ACKNOWLEDGED, Act.RESOLVE): AlertStatus.RESOLVED,
}
REPEATS: Final = frozenset({(AlertStatus.ACKNOWLEDGED, Act.ACKNOWLEDGE), (AlertStatus.RESOLVED, Act.RESOLVE)})
"""The alert is already in this state: nothing changes, and the response is that of the first request."""

OPEN: Final = frozenset({AlertStatus.NEW, AlertStatus.ACKNOWLEDGED})


class IllegalTransition(Conflict):
    """The alert's state does not allow this action."""

    code = "illegal_transition"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of an act. `status` is the alert's status afterwards."""

    status: AlertStatus
    changed: bool
    awaiting_second_person: bool = False


def follow(status: AlertStatus, act: Act) -> Outcome:
    """Return the outcome of `act` on an alert in `status`. Raises IllegalTransition."""
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
    """Return the outcome of a `resolve` where `required` different people must end an alert.

    A `person` of None is an act without a person's name (a key switch): enough where one is required, never where two
    are. Of two approvals only one may rest on a gateway's statement (`by_gateway`); `vouched` is the existing approval
    that does. Once that person approves directly, the approval no longer rests on the gateway.
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
