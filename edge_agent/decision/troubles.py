"""What is wrong and people should know: told once while it stands, not once a press."""

from datetime import timedelta

from edge_agent import times
from edge_agent.decision.state import Standing, State
from edge_agent.messages.events import Event, TroubleBegan, TroubleEnded
from edge_agent.times import Instant

TOLD_AGAIN_AFTER = timedelta(hours=1)

Key = tuple[str | None, str]


def began(state: State, device: str | None, word: str, now: Instant, detail: str | None = None) -> list[Event]:
    """The event to send, if this trouble of a device (None: of the gateway) was not told of late."""
    standing = state.troubles.get((device, word))
    if standing is not None and now.elapsed - standing.told < TOLD_AGAIN_AFTER.total_seconds():
        return []
    at = times.text(now.wall)
    return [TroubleBegan(at=at, device=device, trouble=word, detail=detail, since=at)]


def ended(state: State, device: str | None, word: str, now: Instant) -> list[Event]:
    """The event to send when a trouble that was told is over; it is forgotten here."""
    standing = state.troubles.pop((device, word), None)
    if standing is None:
        return []
    since = times.text(standing.since)
    return [TroubleEnded(at=times.text(now.wall), device=device, trouble=word, detail=None, since=since)]


def standing(state: State, device: str | None, word: str, now: Instant) -> Standing:
    """How a trouble that was told now is kept: it stands since it was first told."""
    before = state.troubles.get((device, word))
    return Standing(now.wall if before is None else before.since, now.elapsed)
