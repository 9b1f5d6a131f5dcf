"""Events that report an action in the building to the cloud."""

from datetime import datetime

from edge_agent import times
from edge_agent.messages.building import Announcement
from edge_agent.messages.events import ActionFailed, ActionStarted


def pa_action(room: str, announcement: Announcement, now: datetime, *, done: bool) -> ActionStarted | ActionFailed:
    """Return the result of sending an announcement to the speaker in `room`."""
    if done:
        return ActionStarted(
            at=times.text(now),
            alert_id=announcement.alert_id,
            action="pa",
            target=f"pa/{room}",
            room=room,
            generation=announcement.generation,
            confirmed=False,
        )
    return ActionFailed(
        at=times.text(now),
        alert_id=announcement.alert_id,
        action="pa",
        target=f"pa/{room}",
        room=room,
        generation=announcement.generation,
        confirmed=False,
        reason="not_delivered",
    )
