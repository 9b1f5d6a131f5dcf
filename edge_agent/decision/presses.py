"""One press: is it new, when was it, what does it mean, does it join an alert or become one?"""

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta

import msgspec
from msgspec import UNSET

from edge_agent import times
from edge_agent.decision.dating import Dated, date
from edge_agent.decision.lifecycle import Stage, advance
from edge_agent.decision.policy import Meaning
from edge_agent.decision.sounding import sound
from edge_agent.decision.state import SAME_MESSAGE, Alert, Decision, LastPress, State, Unidentified
from edge_agent.decision.troubles import began, ended_by_press, standing
from edge_agent.messages.alert_types import GRAVITY
from edge_agent.messages.events import EndedBy, Hops, PressedAgain, PressEvent, Raised, Resolved
from edge_agent.messages.press import UNIDENTIFIED, Press, PressId, made_identity
from edge_agent.times import Instant

BOUNCE = timedelta(milliseconds=800)


@dataclass(frozen=True, slots=True)
class _Fact:
    """What is known of a press before it is decided."""

    press: Press
    dated: Dated
    meaning: Meaning
    drill: bool


def decide(state: State, press: Press, now: Instant, *, queued: bool = False) -> Decision:
    """What a press that arrived `now` leads to. The state is only looked at; `State.apply` takes the decision in.

    `queued`: the message may have waited at the broker, so that nobody knows for how long.
    """
    stage = advance(advance(Stage.RECEIVED, Stage.VALIDATED), Stage.DEDUPLICATED)
    path: tuple[Stage, ...] = (Stage.RECEIVED, Stage.VALIDATED, stage)
    sent = press.id
    press, repeat = _identify(state, press, now)
    if repeat:
        return Decision(press=press, path=path, repeat=True, outcome="repeat")
    unidentified = (sent, Unidentified(now.elapsed, press.id)) if UNIDENTIFIED in press.doubts else None
    path = (*path, advance(stage, Stage.DECIDED))
    dated, meaning = date(press, now, queued=queued), state.policy.meaning(press)
    fact = _Fact(press, dated, meaning, _is_drill(state, press, dated, now))
    found = _found_wrong(fact)
    told = [(word, event) for word, detail in found.items() for event in began(state, press.device, word, now, detail)]
    recovered = ended_by_press(state, press.device, found, now)
    basis = Decision(
        press=press,
        path=path,
        unidentified=unidentified,
        events=(*(event for _, event in told), *recovered.values()),
        troubles=tuple(((press.device, word), standing(state, press.device, word, now)) for word, _ in told),
        recovered=tuple(recovered),
    )
    bounced = _bounce(state, fact)
    if bounced is not None:
        return replace(basis, alert=bounced, outcome="bounce")
    return _decide_new(state, fact, basis, now)


def _decide_new(state: State, fact: _Fact, basis: Decision, now: Instant) -> Decision:
    """What a press leads to that is neither a repeat nor a bounce."""
    joined = _joined(state, fact)
    if joined is None:
        outcome, alert = "raised", _new_alert(state, fact, now)
        event = _event(Raised, state, fact, alert, now)
        upgraded = _upgraded(state, alert)
        if upgraded is not None:
            event.upgrades = upgraded
    else:
        outcome, alert = ("pressed_again" if joined.open else "late"), joined
        event = _event(PressedAgain, state, fact, alert, now)
    before = alert
    alert, plays, sounding = sound(state, alert, now) if alert.open else (alert, (), ())
    ended = _ended(state, alert, now)
    return replace(
        basis,
        alert=None if alert is before and joined is not None else alert,
        ended=ended,
        last=LastPress(fact.dated.counted, alert.alert_id),
        disarms=fact.drill,
        events=(event, *(_end(drill, now) for drill in ended), *basis.events),
        plays=plays,
        sounding=sounding,
        outcome=outcome,
    )


def _identify(state: State, press: Press, now: Instant) -> tuple[Press, bool]:
    """Seen before? The same id with another body is a real press: it gets an installation of its own, made from
    its body, so that it is told apart for ever and its own repeats are known."""
    if UNIDENTIFIED in press.doubts:
        return _identify_by_body(state, press, now)
    known = state.seen.get(press.id)
    if known is None or known == press.fingerprint:
        return press, known is not None
    renamed = as_another(press)
    return renamed, _seen(state, renamed.id, press.fingerprint)


def as_another(press: Press) -> Press:
    """A press whose identity another one had first."""
    inst = hashlib.sha256(f"{press.inst}:{press.fingerprint}".encode()).hexdigest()[:8]
    return msgspec.structs.replace(press, inst=inst, doubts=(*press.doubts, "identity_reused"))


def _identify_by_body(state: State, press: Press, now: Instant) -> tuple[Press, bool]:
    """The same body within seconds is the same message, delivered again; later somebody may have pressed again."""
    before = state.unidentified.get(press.id)
    if before is not None and now.elapsed - before.at < SAME_MESSAGE.total_seconds():
        return _renamed(press, before.press_id), True
    if press.id not in state.seen:
        return press, False
    inst, seq = made_identity(f"{press.inst}:{press.seq}:{now.elapsed}:{now.wall}".encode())
    return _renamed(press, (press.device, inst, seq)), False


def _renamed(press: Press, press_id: PressId) -> Press:
    _, inst, seq = press_id
    return msgspec.structs.replace(press, inst=inst, seq=seq)


def _seen(state: State, press_id: PressId, fingerprint: str) -> bool:
    return state.seen.get(press_id) == fingerprint


def _bounce(state: State, fact: _Fact) -> Alert | None:
    """The alert of the same device's same pattern and key, less than 800 ms apart. A bounce of a bounce counts from the
    first, so that hammering is heard again."""
    last = state.last.get(state.gesture(fact.press))
    if last is None or abs(fact.dated.counted - last.counted) >= BOUNCE.total_seconds():
        return None
    alert = state.alerts.get(last.alert_id)
    if alert is None or not _means(alert, fact.meaning):
        return None
    return alert if alert.open or _while_open(alert, fact.dated) else None


def _is_drill(state: State, press: Press, dated: Dated, now: Instant) -> bool:
    """Every press is real, but one that was certainly made while its device was armed."""
    armed = state.armed.get(press.device)
    return (
        armed is not None
        and dated.earliest is not None
        and armed.since <= dated.earliest
        and now.elapsed <= armed.until
    )


def _joined(state: State, fact: _Fact) -> Alert | None:
    """An alert of the same device or room and kind: an open one first, else a closed one that was certainly open when
    this press was made."""
    late: Alert | None = None
    for alert in state.near(fact.press.device, fact.meaning.room):
        if not _same_kind(alert, fact):
            continue
        if alert.open:
            return alert
        if late is None and _while_open(alert, fact.dated):
            late = alert
    return late


def _same_kind(alert: Alert, fact: _Fact) -> bool:
    return _of_a_button(alert) and _means(alert, fact.meaning) and alert.drill is fact.drill


def _means(alert: Alert, meaning: Meaning) -> bool:
    """Silent and loud are never one: it would change who hears of it."""
    return alert.type is meaning.type and alert.silent is meaning.silent


def _of_a_button(alert: Alert) -> bool:
    """Raised by a press; an alert of a phone or the web is never joined, for a press says more."""
    return alert.device is not None and alert.alert_id.startswith(f"{alert.device}:")


def _while_open(alert: Alert, dated: Dated) -> bool:
    """Whether a closed alert was open for the whole interval in which the press was made; no, where nobody knows."""
    if dated.cloud is None or alert.opened_at is None or alert.closed_at is None:
        return False
    return alert.opened_at <= dated.cloud.earliest and dated.cloud.latest <= alert.closed_at


def _new_alert(state: State, fact: _Fact, now: Instant) -> Alert:
    press, meaning, dated = fact.press, fact.meaning, fact.dated
    return Alert(
        alert_id=":".join(map(str, press.id)),
        type=meaning.type,
        severity=meaning.severity,
        silent=meaning.silent,
        drill=fact.drill,
        device=press.device,
        room=meaning.room,
        raised_at=dated.pressed_at,
        opened_at=None if dated.cloud is None else dated.cloud.earliest,
        arrived=now.elapsed,
        boot=state.boot,
    )


def _ended(state: State, alert: Alert, now: Instant) -> tuple[Alert, ...]:
    """Every drill that is open, when somebody presses in earnest. A silent press ends none: that would be noticed."""
    if alert.drill or alert.silent or not alert.open:
        return ()
    closed_at = now.wall if now.cloud is None else now.cloud.latest
    return tuple(
        msgspec.structs.replace(drill, closed_at=closed_at, stage=advance(drill.stage, Stage.CLEARED))
        for drill in state.drills
    )


def _end(drill: Alert, now: Instant) -> Resolved:
    return Resolved(at=times.text(now.wall), alert_id=drill.alert_id, by=EndedBy())


def _upgraded(state: State, alert: Alert) -> str | None:
    """The gravest open alert of the same place that this one is graver than."""
    lesser = [
        other
        for other in state.near(alert.device, alert.room)
        if other.open
        and other.drill is alert.drill
        and other.silent is alert.silent
        and GRAVITY[other.type] < GRAVITY[alert.type]
        and _of_a_button(other)
    ]
    return max(lesser, key=lambda other: GRAVITY[other.type]).alert_id if lesser else None


def _event(kind: type[PressEvent], state: State, fact: _Fact, alert: Alert, now: Instant) -> PressEvent:
    press, dated, meaning = fact.press, fact.dated, fact.meaning
    return kind(
        at=times.text(now.wall),
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
        hops=_hops(dated, now),
        policy=state.policy.version,
        clock_suspect=dated.clock_suspect,
        pattern=press.pattern or UNSET,
        key=press.key or UNSET,
        claimed_at=UNSET if dated.claimed_at is None else times.text(dated.claimed_at),
    )


def _hops(dated: Dated, now: Instant) -> Hops:
    cloud = dated.cloud
    return Hops(
        pressed_at=times.text(dated.pressed_at),
        arrived_at=times.text(now.wall),
        earliest_at=None if cloud is None or dated.earliest is None else times.text(cloud.earliest),
        latest_at=None if cloud is None else times.text(cloud.latest),
    )


def _found_wrong(fact: _Fact) -> dict[str, str | None]:
    """Words for troubles, each with what is to be said of it."""
    press, dated = fact.press, fact.dated
    found: dict[str, str | None] = dict.fromkeys((*press.doubts, *fact.meaning.troubles))
    if dated.clock_suspect:
        said = "what is no time" if dated.claimed_at is None else times.text(dated.claimed_at)
        found["clock_suspect"] = f"the button said {said}"
    return found
