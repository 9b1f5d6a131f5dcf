"""What the cloud is told of an action in the building."""

from datetime import datetime

from edge_agent import times
from edge_agent.messages.building import Play
from edge_agent.messages.events import ActionFailed, ActionStarted


def pa_action(room: str, play: Play, now: datetime, *, done: bool) -> ActionStarted | ActionFailed:
    """What became of handing a message to the speaker in `room`."""
    if done:
        return ActionStarted(
            at=times.text(now),
            alert_id=play.alert_id,
            action="pa",
            target=f"pa/{room}",
            room=room,
            generation=play.generation,
            confirmed=False,
        )
    return ActionFailed(
        at=times.text(now),
        alert_id=play.alert_id,
        action="pa",
        target=f"pa/{room}",
        room=room,
        generation=play.generation,
        confirmed=False,
        reason="not_delivered",
    )
