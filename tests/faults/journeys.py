"""When each press passed which hop, and so what a kill at some moment fell into."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.faults.chain import Chain
from tests.faults.staff import Listener
from tests.faults.wall import Pressed

PHASES = ("before stored", "acknowledgement", "before commit", "after commit, before answer", "relay")


@dataclass(frozen=True)
class Journey:
    """One press, hop by hop: on the gateway's disk, its button told, committed in the cloud, the gateway answered, on
    a screen. All by the clock of this machine."""

    pressed: datetime
    stored: datetime
    told: datetime
    committed: datetime
    answered: datetime
    shown: datetime

    def phases(self, moment: datetime) -> Iterable[str]:
        """What this press was in the midst of at a moment."""
        spans = (
            (self.pressed, self.stored),
            (self.stored, self.told),
            (self.stored, self.committed),
            (self.committed, self.answered),
            (self.committed, self.shown),
        )
        return (phase for phase, (start, end) in zip(PHASES, spans, strict=True) if start <= moment < end)


def journeys(chain: Chain, listener: Listener, presses: Iterable[Pressed]) -> list[Journey]:
    """Of presses that each made an alert; from the buttons, the gateway's file, and the screen."""
    shown = listener.alerts()
    rows = chain.gateway_rows("SELECT alert_id, min(forwarded_at) FROM outbox GROUP BY alert_id")
    answered = dict(rows)
    found = []
    for press in presses:
        heard, answer = shown[press.name], answered[press.name]
        assert press.told_at is not None
        assert heard.message.alert is not None
        assert heard.message.at is not None
        assert answer is not None
        hops = heard.message.alert.hops
        stored = hops.stored_at or hops.arrived_at or press.told_at
        found.append(
            Journey(press.at, stored, press.told_at, heard.message.at, datetime.fromisoformat(answer), heard.at)
        )
    return found


def kills_by_phase(moments: Sequence[datetime], presses: Iterable[Journey]) -> Counter[str]:
    """How many kills fell into which phase of at least one press; one kill may fall into several."""
    known = list(presses)
    counted: Counter[str] = Counter(dict.fromkeys(PHASES, 0))
    for moment in moments:
        counted.update({phase for press in known for phase in press.phases(moment)})
    return counted
