"""Times of each press at each hop, to determine the phase that a kill interrupted."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.faults.button_bank import Pressed
from tests.faults.chain import Chain
from tests.faults.staff import Listener

PHASES = ("before stored", "acknowledgement", "before commit", "after commit, before answer", "relay")


@dataclass(frozen=True)
class Journey:
    """The hops of a press by the clock of this machine: on the gateway's disk, confirmed to the button, committed in
    the cloud, answered to the gateway, on a screen."""

    pressed: datetime
    stored: datetime
    confirmed: datetime
    committed: datetime
    answered: datetime
    displayed: datetime

    def phases(self, moment: datetime) -> Iterable[str]:
        """Return the phases of this press at a moment."""
        spans = (
            (self.pressed, self.stored),
            (self.stored, self.confirmed),
            (self.stored, self.committed),
            (self.committed, self.answered),
            (self.committed, self.displayed),
        )
        return (phase for phase, (start, end) in zip(PHASES, spans, strict=True) if start <= moment < end)


def journeys(chain: Chain, listener: Listener, presses: Iterable[Pressed]) -> list[Journey]:
    """Collect the journeys of presses that each raised an alert from buttons, gateway file and screen."""
    displayed = listener.alerts()
    rows = chain.gateway_rows("SELECT alert_id, min(forwarded_at) FROM outbox GROUP BY alert_id")
    answered = dict(rows)
    collected = []
    for press in presses:
        received, answer = displayed[press.name], answered[press.name]
        assert press.confirmed_at is not None
        assert received.message.alert is not None
        assert received.message.at is not None
        assert answer is not None
        hops = received.message.alert.hops
        stored = hops.stored_at or hops.arrived_at or press.confirmed_at
        collected.append(
            Journey(
                press.at, stored, press.confirmed_at, received.message.at, datetime.fromisoformat(answer), received.at
            )
        )
    return collected


def kills_by_phase(moments: Sequence[datetime], presses: Iterable[Journey]) -> Counter[str]:
    """Count the kills in each phase of any press; one kill may count in several."""
    known = list(presses)
    counted: Counter[str] = Counter(dict.fromkeys(PHASES, 0))
    for moment in moments:
        counted.update({phase for press in known for phase in press.phases(moment)})
    return counted
