"""What is wrong and people should know: told once while it stands, not once a press."""

from datetime import datetime, timedelta

from edge_agent import times
from edge_agent.decision.state import Floods, State
from edge_agent.messages.events import Event, Refused, TroubleBegan, TroubleEnded
from edge_agent.messages.press import Refusal

TOLD_AGAIN_AFTER = timedelta(hours=1)
REFUSALS_TOLD_EVERY = timedelta(minutes=1)

Key = tuple[str | None, str]


def began(state: State, device: str | None, word: str, now: datetime, detail: str | None = None) -> list[Event]:
    """The event to send, if this trouble of a device (None: of the gateway) was not told of late."""
    since = state.troubles.get((device, word))
    if since is not None and now - since < TOLD_AGAIN_AFTER:
        return []
    return [TroubleBegan(at=times.text(now), device=device, trouble=word, detail=detail, since=times.text(now))]


def ended(state: State, device: str | None, word: str, now: datetime) -> list[Event]:
    """The event to send when a trouble that was told is over; it is forgotten here."""
    since = state.troubles.pop((device, word), None)
    if since is None:
        return []
    return [TroubleEnded(at=times.text(now), device=device, trouble=word, detail=None, since=times.text(since))]


def refuse(state: State, refusal: Refusal, now: datetime) -> list[Event]:
    """A message that is no press: told at once, then counted together, so that a flood is one event a minute."""
    flood = state.floods.get((refusal.device, refusal.reason))
    if flood is None:
        flood = state.floods[refusal.device, refusal.reason] = Floods(now - REFUSALS_TOLD_EVERY)
    flood.count, flood.digest, flood.topic = flood.count + 1, refusal.digest, refusal.topic
    events = began(state, refusal.device, "unreadable_message", now, f"refused: {refusal.reason}")
    if events:
        state.troubles[refusal.device, "unreadable_message"] = now
    return [*_due(refusal.device, refusal.reason, flood, now), *events]


def refused_meanwhile(state: State, now: datetime) -> list[Event]:
    """What was counted since it was last told, once its minute is over."""
    return [event for (device, reason), flood in state.floods.items() for event in _due(device, reason, flood, now)]


def _due(device: str | None, reason: str, flood: Floods, now: datetime) -> list[Event]:
    if not flood.count or now - flood.told_at < REFUSALS_TOLD_EVERY:
        return []
    count, flood.count, flood.told_at = flood.count, 0, now
    return [
        Refused(
            at=times.text(now),
            reason=reason,
            count=count,
            digest=flood.digest,
            device=device,
            topic=flood.topic,
        )
    ]
