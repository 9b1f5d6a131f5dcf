"""Troubles that people should know about: reported when they begin and hourly, not on every press."""

from collections.abc import Collection
from datetime import timedelta

from edge_agent import times
from edge_agent.decision.state import Standing, State
from edge_agent.decision.trouble_kinds import QUIET, End, ends_by
from edge_agent.messages.events import Event, TroubleBegan, TroubleEnded
from edge_agent.times import Instant

REPORT_AGAIN_AFTER = timedelta(hours=1)

Key = tuple[str | None, str]


def began(state: State, device: str | None, kind: str, now: Instant, detail: str | None = None) -> list[Event]:
    """Return the event to send, unless this trouble of a device (None: of the gateway) was reported recently."""
    standing = state.troubles.get((device, kind))
    if standing is not None and now.elapsed - standing.reported < REPORT_AGAIN_AFTER.total_seconds():
        return []
    since = now.wall if standing is None else standing.since
    at = times.text(now.wall)
    return [TroubleBegan(at=at, device=device, trouble=kind, detail=detail, since=times.text(since))]


def ended(state: State, device: str | None, kind: str, now: Instant, detail: str | None = None) -> list[Event]:
    """Return the event to send when a reported trouble ends, and forget the trouble."""
    standing = state.troubles.pop((device, kind), None)
    return [] if standing is None else [_end(device, kind, standing, now, detail)]


def ended_by_press(state: State, device: str, detected: Collection[str], now: Instant) -> dict[Key, Event]:
    """Return the troubles that a device's press no longer has, with the event to send for each."""
    return {
        (of, kind): _end(of, kind, standing, now)
        for (of, kind), standing in state.troubles.items()
        if of == device and kind not in detected and ends_by(of, kind, End.PRESS)
    }


def ended_by_configuration(state: State, now: Instant) -> list[Event]:
    """Return the events to send after a new configuration took effect."""
    over = [
        (device, kind)
        for device, kind in state.troubles
        if ends_by(device, kind, End.CONFIGURATION)
        and (state.policy.version if device is None else kind not in state.policy.troubles_of(device))
    ]
    return [event for device, kind in over for event in ended(state, device, kind, now)]


def ended_by_quiet(state: State, now: Instant) -> list[Event]:
    """Return the events to send for troubles without recent reports: ongoing ones are reported every hour."""
    over = [
        (device, kind)
        for (device, kind), standing in state.troubles.items()
        if ends_by(device, kind, End.QUIET)
        and now.elapsed - standing.reported >= (QUIET + REPORT_AGAIN_AFTER).total_seconds()
    ]
    return [event for device, kind in over for event in ended(state, device, kind, now)]


def _end(device: str | None, kind: str, standing: Standing, now: Instant, detail: str | None = None) -> TroubleEnded:
    since = times.text(standing.since)
    return TroubleEnded(at=times.text(now.wall), device=device, trouble=kind, detail=detail, since=since)


def standing(state: State, device: str | None, kind: str, now: Instant) -> Standing:
    """Return the entry for a trouble reported now, keeping the time when it began."""
    before = state.troubles.get((device, kind))
    return Standing(now.wall if before is None else before.since, now.elapsed)
