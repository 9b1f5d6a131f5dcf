"""One press: is it new, when was it, what does it mean, does it join an alert or become one?"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from msgspec import UNSET

from edge_agent import times
from edge_agent.decision import troubles
from edge_agent.decision.dating import CLOCK_TOLERANCE, Dated, date
from edge_agent.decision.lifecycle import Stage, advance
from edge_agent.decision.policy import Meaning
from edge_agent.decision.sounding import sound
from edge_agent.decision.state import Alert, Decision, LastPress, State
from edge_agent.messages.events import Event, Hops, PressedAgain, PressEvent, Raised
from edge_agent.messages.press import Press, PressId
from edge_agent.messages.words import GRAVITY

BOUNCE = timedelta(milliseconds=800)


@dataclass(frozen=True, slots=True)
class _Fact:
    """What is known of a press before it is decided."""

    press: Press
    dated: Dated
    meaning: Meaning
    drill: bool


def decide(state: State, press: Press, now: datetime) -> Decision:
    """What a press that arrived `now` leads to. The state is only looked at; `State.apply` takes the decision in."""
    stage = advance(advance(Stage.RECEIVED, Stage.VALIDATED), Stage.DEDUPLICATED)
    path: tuple[Stage, ...] = (Stage.RECEIVED, Stage.VALIDATED, stage)
    press, repeat = _identify(state, press)
    if repeat:
        return Decision(press=press, path=path, repeat=True, outcome="repeat")
    path = (*path, advance(stage, Stage.DECIDED))
    dated = date(press, now)
    bounced = _bounce(state, press, dated)
    if bounced is not None:
        return Decision(press=press, path=path, alert=bounced, outcome="bounce")
    fact = _Fact(press, dated, state.policy.meaning(press), _is_drill(state, press, dated, now))
    joined = _joined(state, fact)
    if joined is None:
        outcome, alert = "raised", _new_alert(fact)
        event = _event(Raised, state, fact, alert, now)
        upgraded = _upgraded(state, alert)
        if upgraded is not None:
            event.upgrades = upgraded
    else:
        outcome, alert = ("pressed_again" if joined.open else "late"), joined
        event = _event(PressedAgain, state, fact, alert, now)
    before = alert
    alert, plays, sounding = sound(state, alert, now) if alert.open else (alert, (), ())
    told = _troubles(state, fact, now)
    return Decision(
        press=press,
        path=path,
        alert=None if alert is before and joined is not None else alert,
        last=LastPress(dated.pressed_at, alert.alert_id),
        disarms=fact.drill,
        events=(event, *(event for _, event in told)),
        plays=plays,
        sounding=sounding,
        troubles=tuple(((press.device, word), now) for word, _ in told),
        outcome=outcome,
    )


def _identify(state: State, press: Press) -> tuple[Press, bool]:
    """Seen before? The same id with another body is a real press: it gets an installation of its own, made from
    its body, so that it is told apart for ever and its own repeats are known."""
    known = state.seen.get(press.id)
    if known is None or known == press.fingerprint:
        return press, known is not None
    inst = hashlib.sha256(f"{press.inst}:{press.fingerprint}".encode()).hexdigest()[:8]
    renamed = msgspec.structs.replace(press, inst=inst, doubts=(*press.doubts, "identity_reused"))
    return renamed, _seen(state, renamed.id, press.fingerprint)


def _seen(state: State, press_id: PressId, fingerprint: str) -> bool:
    return state.seen.get(press_id) == fingerprint


def _bounce(state: State, press: Press, dated: Dated) -> Alert | None:
    """The alert of the same device's same pattern and key, less than 800 ms apart. A bounce of a bounce counts from the
    first, so that hammering is heard again."""
    last = state.last.get(state.gesture(press))
    if last is None or abs(dated.pressed_at - last.pressed_at) >= BOUNCE:
        return None
    alert = state.alerts.get(last.alert_id)
    return alert if alert is not None and (alert.open or _before_close(alert, dated)) else None


def _is_drill(state: State, press: Press, dated: Dated, now: datetime) -> bool:
    """Every press is real, but the one of a device that was armed before it and still is."""
    armed = state.armed.get(press.device)
    return armed is not None and armed.since <= dated.no_later and now <= armed.until


def _joined(state: State, fact: _Fact) -> Alert | None:
    """An alert of the same device or room and kind: an open one first, else one that this press came before the
    close of. Never a closed one that it came after."""
    late: Alert | None = None
    for alert in state.near(fact.press.device, fact.meaning.room):
        if not _same_kind(alert, fact):
            continue
        if alert.open:
            return alert
        if late is None and _before_close(alert, fact.dated):
            late = alert
    return late


def _same_kind(alert: Alert, fact: _Fact) -> bool:
    return (
        _of_a_button(alert)
        and alert.type is fact.meaning.type
        and alert.silent is fact.meaning.silent
        and alert.drill is fact.drill
    )


def _of_a_button(alert: Alert) -> bool:
    """Raised by a press; an alert of a phone or the web is never joined, for a press says more."""
    return alert.device is not None and alert.alert_id.startswith(f"{alert.device}:")


def _before_close(alert: Alert, dated: Dated) -> bool:
    return (
        alert.closed_at is not None
        and dated.no_later <= alert.closed_at
        and dated.no_later >= alert.raised_at - CLOCK_TOLERANCE
    )


def _new_alert(fact: _Fact) -> Alert:
    press, meaning = fact.press, fact.meaning
    return Alert(
        alert_id=":".join(map(str, press.id)),
        type=meaning.type,
        severity=meaning.severity,
        silent=meaning.silent,
        drill=fact.drill,
        device=press.device,
        room=meaning.room,
        raised_at=fact.dated.pressed_at,
    )


def _upgraded(state: State, alert: Alert) -> str | None:
    """The gravest open alert of the same place that this one is graver than."""
    lesser = [
        other
        for other in state.near(alert.device, alert.room)
        if other.open
        and other.drill is alert.drill
        and GRAVITY[other.type] < GRAVITY[alert.type]
        and _of_a_button(other)
    ]
    return max(lesser, key=lambda other: GRAVITY[other.type]).alert_id if lesser else None


def _event(kind: type[PressEvent], state: State, fact: _Fact, alert: Alert, now: datetime) -> PressEvent:
    press, dated, meaning = fact.press, fact.dated, fact.meaning
    return kind(
        at=times.text(now),
        alert_id=alert.alert_id,
        device=press.device,
        inst=press.inst,
        seq=press.seq,
        room=meaning.room,
        type=meaning.type,
        severity=meaning.severity,
        silent=meaning.silent,
        drill=fact.drill,
        live=alert.open,
        hops=Hops(pressed_at=times.text(dated.pressed_at), arrived_at=times.text(now)),
        policy=state.policy.version,
        clock_suspect=dated.clock_suspect,
        pattern=press.pattern or UNSET,
        key=press.key or UNSET,
        claimed_at=UNSET if dated.claimed_at is None else times.text(dated.claimed_at),
    )


def _troubles(state: State, fact: _Fact, now: datetime) -> list[tuple[str, Event]]:
    press, dated = fact.press, fact.dated
    found: list[tuple[str, str | None]] = [(word, None) for word in (*press.doubts, *fact.meaning.troubles)]
    if dated.clock_suspect:
        said = "an age" if dated.claimed_at is None else times.text(dated.claimed_at)
        found.append(("clock_suspect", f"the button said {said}"))
    return [(word, event) for word, detail in found for event in troubles.began(state, press.device, word, now, detail)]
