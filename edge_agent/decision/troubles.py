"""What is wrong and people should know: told once while it stands, not once a press."""

from collections.abc import Collection
from datetime import timedelta

from edge_agent import times
from edge_agent.decision.state import Standing, State
from edge_agent.decision.trouble_kinds import QUIET, End, ends_by
from edge_agent.messages.events import Event, TroubleBegan, TroubleEnded
from edge_agent.times import Instant

TOLD_AGAIN_AFTER = timedelta(hours=1)

Key = tuple[str | None, str]


def began(state: State, device: str | None, word: str, now: Instant, detail: str | None = None) -> list[Event]:
    """The event to send, if this trouble of a device (None: of the gateway) was not told of late."""
    standing = state.troubles.get((device, word))
    if standing is not None and now.elapsed - standing.told < TOLD_AGAIN_AFTER.total_seconds():
        return []
    since = now.wall if standing is None else standing.since
    at = times.text(now.wall)
    return [TroubleBegan(at=at, device=device, trouble=word, detail=detail, since=times.text(since))]


def ended(state: State, device: str | None, word: str, now: Instant, detail: str | None = None) -> list[Event]:
    """The event to send when a trouble that was told is over; it is forgotten here."""
    standing = state.troubles.pop((device, word), None)
    return [] if standing is None else [_end(device, word, standing, now, detail)]


def ended_by_press(state: State, device: str, found: Collection[str], now: Instant) -> dict[Key, Event]:
    """The troubles of a device that its press shows no more, with the event to send for each."""
    return {
        (of, word): _end(of, word, standing, now)
        for (of, word), standing in state.troubles.items()
        if of == device and word not in found and ends_by(of, word, End.PRESS)
    }


def ended_by_configuration(state: State, now: Instant) -> list[Event]:
    """The events to send when another configuration took effect."""
    over = [
        (device, word)
        for device, word in state.troubles
        if ends_by(device, word, End.CONFIGURATION)
        and (state.policy.version if device is None else word not in state.policy.troubles_of(device))
    ]
    return [event for device, word in over for event in ended(state, device, word, now)]


def ended_by_quiet(state: State, now: Instant) -> list[Event]:
    """The events to send for what was not seen for long: what goes on is told again every hour."""
    over = [
        (device, word)
        for (device, word), standing in state.troubles.items()
        if ends_by(device, word, End.QUIET)
        and now.elapsed - standing.told >= (QUIET + TOLD_AGAIN_AFTER).total_seconds()
    ]
    return [event for device, word in over for event in ended(state, device, word, now)]


def _end(device: str | None, word: str, standing: Standing, now: Instant, detail: str | None = None) -> TroubleEnded:
    since = times.text(standing.since)
    return TroubleEnded(at=times.text(now.wall), device=device, trouble=word, detail=detail, since=since)


def standing(state: State, device: str | None, word: str, now: Instant) -> Standing:
    """How a trouble that was told now is kept: it stands since it was first told."""
    before = state.troubles.get((device, word))
    return Standing(now.wall if before is None else before.since, now.elapsed)
