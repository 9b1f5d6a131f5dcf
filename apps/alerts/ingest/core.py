"""An alarm of a gateway whose event cannot be read as a whole: its frozen core is enough to raise it.

A newer gateway may name an alert type that this cloud does not know, or a field may be broken. The core says which
press of which button it was: without it there is nothing to raise, with it there is an alarm, as grave as any, and a
trouble. Whatever else is well-formed is kept.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from apps.alerts.ingest.messages import AlertPressedAgain, AlertRaised
from apps.common.times import rfc3339

Alarm = AlertRaised | AlertPressedAgain

KINDS: Final[Mapping[object, type[Alarm]]] = {
    kind.__struct_config__.tag: kind for kind in (AlertRaised, AlertPressedAgain)
}
CORE: Final = frozenset({"event_id", "device", "inst", "seq", "alert_id"})
IN_DOUBT: Final[Mapping[str, object]] = {
    "room": None,
    "type": "lockdown",
    "severity": "critical",
    "silent": False,
    "drill": False,
    "live": True,
    "policy": 0,
}
"""What is taken for a field that cannot be read."""


class ReadInPart(msgspec.Struct, frozen=True):
    """An alarm, what was sent, and the names of the fields that had to be guessed."""

    event: Alarm
    body: bytes
    unread: tuple[str, ...]


def read_core(body: bytes, received_at: datetime) -> ReadInPart | None:
    """The alarm in a body that is no event of the contract; None when it is none, or its core cannot be read."""
    try:
        sent = msgspec.json.decode(body, type=dict[str, Any])
        kind = KINDS[sent["kind"]]
    except (msgspec.DecodeError, KeyError, TypeError, RecursionError):
        return None
    moment = rfc3339(received_at)
    guessed = {**IN_DOUBT, "at": moment, "hops": {"pressed_at": moment, "arrived_at": moment}}
    alarm, unread = {"kind": sent["kind"]}, []
    for field in msgspec.structs.fields(kind):
        if field.name in sent and _is(sent[field.name], field.type):
            alarm[field.name] = sent[field.name]
        elif field.name in sent or field.required:
            unread.append(field.name)
            alarm |= {field.name: guessed[field.name]} if field.name in guessed else {}
    if CORE & set(unread):
        return None
    return ReadInPart(msgspec.convert(alarm, kind), body, tuple(unread))


def _is(value: object, type_: Any) -> bool:
    try:
        msgspec.convert(value, type_)
    except (msgspec.ValidationError, ValueError):
        return False
    return True
