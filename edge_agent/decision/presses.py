"""The decision on one press: whether it is new, its time and meaning, and whether it joins or raises an alert."""

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta

import msgspec
from msgspec import UNSET

from edge_agent import times
from edge_agent.decision.announcements import announce
from edge_agent.decision.dating import Dated, date
from edge_agent.decision.lifecycle import Stage, advance
from edge_agent.decision.policy import Meaning
from edge_agent.decision.state import SAME_MESSAGE, Alert, Decision, LastPress, State, Unidentified
from edge_agent.decision.troubles import began, ended_by_press, standing
from edge_agent.messages.alert_types import GRAVITY
from edge_agent.messages.events import EndedBy, Hops, PressedAgain, PressEvent, Raised, Resolved
from edge_agent.messages.press import UNIDENTIFIED, Press, PressId, derived_identity
from edge_agent.times import Instant

BOUNCE = timedelta(milliseconds=800)


@dataclass(frozen=True, slots=True)
class _Fact:
    """The facts about a press before the decision."""

    press: Press
    dated: Dated
    meaning: Meaning
    drill: bool


def decide(state: State, press: Press, now: Instant, *, queued: bool = False) -> Decision:
    """Decide on a press that arrived `now`. The state is only read; `State.apply` applies the decision.

    `queued`: the message may have waited at the broker for an unknown time.
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
    detected = _detected_troubles(fact)
    reports = [
        (kind, event) for kind, detail in detected.items() for event in began(state, press.device, kind, now, detail)
    ]
    recovered = ended_by_press(state, press.device, detected, now)
    basis = Decision(
        press=press,
        path=path,
        unidentified=unidentified,
        events=(*(event for _, event in reports), *recovered.values()),
        troubles=tuple(((press.device, kind), standing(state, press.device, kind, now)) for kind, _ in reports),
        recovered=tuple(recovered),
    )
    bounced = _bounce(state, fact)
    if bounced is not None:
        return replace(basis, alert=bounced, outcome="bounce")
    return _decide_new(state, fact, basis, now)


def _decide_new(state: State, fact: _Fact, basis: Decision, now: Instant) -> Decision:
    """Decide on a press that is neither a repeat nor a bounce."""
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
    alert, announcements, speakers = announce(state, alert, now) if alert.open else (alert, (), ())
    ended = _ended(state, alert, now)
    return replace(
        basis,
        alert=None if alert is before and joined is not None else alert,
        ended=ended,
        last=LastPress(fact.dated.counted, alert.alert_id),
        disarms=fact.drill,
        events=(event, *(_end(drill, now) for drill in ended), *basis.events),
        announcements=announcements,
        speakers=speakers,
        outcome=outcome,
    )


def _identify(state: State, press: Press, now: Instant) -> tuple[Press, bool]:
    """Detect a repeat. The same id with another body is a real press: it gets an installation id derived from its body,
    so that it stays distinct and its own repeats are recognized."""
    if UNIDENTIFIED in press.doubts:
        return _identify_by_body(state, press, now)
    known = state.seen.get(press.id)
    if known is None or known == press.fingerprint:
        return press, known is not None
    renamed = with_derived_identity(press)
    return renamed, _seen(state, renamed.id, press.fingerprint)


def with_derived_identity(press: Press) -> Press:
    """Give a press whose id is already in use an identity derived from its body."""
    inst = hashlib.sha256(f"{press.inst}:{press.fingerprint}".encode()).hexdigest()[:8]
    return msgspec.structs.replace(press, inst=inst, doubts=(*press.doubts, "identity_reused"))


def _identify_by_body(state: State, press: Press, now: Instant) -> tuple[Press, bool]:
    """Treat the same body within seconds as a redelivery, later as another press."""
    before = state.unidentified.get(press.id)
    if before is not None and now.elapsed - before.at < SAME_MESSAGE.total_seconds():
        return _renamed(press, before.press_id), True
    if press.id not in state.seen:
        return press, False
    inst, seq = derived_identity(f"{press.inst}:{press.seq}:{now.elapsed}:{now.wall}".encode())
    return _renamed(press, (press.device, inst, seq)), False


def _renamed(press: Press, press_id: PressId) -> Press:
    _, inst, seq = press_id
    return msgspec.structs.replace(press, inst=inst, seq=seq)


def _seen(state: State, press_id: PressId, fingerprint: str) -> bool:
    return state.seen.get(press_id) == fingerprint


def _bounce(state: State, fact: _Fact) -> Alert | None:
    """The alert of the previous press with the same device, pattern and key less than 800 ms ago. Bounces are measured
    from the first press, so that continuous hammering is still reported."""
    last = state.last.get(state.gesture(fact.press))
    if last is None or abs(fact.dated.counted - last.counted) >= BOUNCE.total_seconds():
        return None
    alert = state.alerts.get(last.alert_id)
    if alert is None or not _means(alert, fact.meaning):
        return None
    return alert if alert.open or _while_open(alert, fact.dated) else None


def _is_drill(state: State, press: Press, dated: Dated, now: Instant) -> bool:
    """Every press is real, unless it was certainly made while its device was armed."""
    armed = state.armed.get(press.device)
    return (
        armed is not None
        and dated.earliest is not None
        and armed.since <= dated.earliest
        and now.elapsed <= armed.until
    )


def _joined(state: State, fact: _Fact) -> Alert | None:
    """An alert of the same kind and the same device or room: preferably an open one, otherwise a closed one that was
    certainly open at the time of this press."""
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
    """Silent and audible alerts are never merged, as they notify different people."""
    return alert.type is meaning.type and alert.silent is meaning.silent


def _of_a_button(alert: Alert) -> bool:
    """Whether a press raised the alert; presses never join alerts of a phone or the web, as they carry more
    information."""
    return alert.device is not None and alert.alert_id.startswith(f"{alert.device}:")


def _while_open(alert: Alert, dated: Dated) -> bool:
    """Whether a closed alert was certainly open during the whole interval in which the press was made."""
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
    """The open drills that a real press ends. A silent press ends none, as that would reveal it."""
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
    """The gravest open alert at the same place that is less grave than this one."""
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


def _detected_troubles(fact: _Fact) -> dict[str, str | None]:
    """Kinds of trouble, each with the detail to report."""
    press, dated = fact.press, fact.dated
    detected: dict[str, str | None] = dict.fromkeys((*press.doubts, *fact.meaning.troubles))
    if dated.clock_suspect:
        claimed = "an invalid time" if dated.claimed_at is None else times.text(dated.claimed_at)
        detected["clock_suspect"] = f"the button reported {claimed}"
    return detected
