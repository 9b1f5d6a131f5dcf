"""Alarms whose event cannot be read completely: the frozen core is enough to raise them.

A newer gateway may name an alert type that this cloud does not know, a field may be broken, or the text around it. The
core (device, inst and seq) identifies the press and its button: without it there is nothing to raise, with it there is
an alarm, as serious as any other, and a trouble. All other well-formed fields are kept.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, get_args

import msgspec

from apps.alerts.ingest.messages import AlertPressedAgain, AlertRaised, AnyEvent, require_times
from apps.common.db.ids import new_id
from apps.common.times import rfc3339
from contracts import alert_types

Alarm = AlertRaised | AlertPressedAgain

ALARMS: Final[Mapping[object, type[Alarm]]] = {
    kind.__struct_config__.tag: kind for kind in (AlertRaised, AlertPressedAgain)
}
OTHER_KINDS: Final = frozenset(kind.__struct_config__.tag for kind in get_args(AnyEvent)) - ALARMS.keys()
CORE: Final = frozenset({"device", "inst", "seq"})
GRAVEST: Final = alert_types()[0]
IN_DOUBT: Final[Mapping[str, object]] = {
    "room": None,
    "type": GRAVEST.type,
    "severity": GRAVEST.severity,
    "silent": False,
    "drill": False,
    "live": True,
    "policy": 0,
}
"""Default values of fields that cannot be read."""

_LENIENT: Final = json.JSONDecoder(strict=False)
_IN_TEXT: Final = re.compile(
    r'"(?P<name>kind|event_id|alert_id|device|inst)"\s*:\s*"(?P<text>[^"\\]*)"|"(?P<number>seq)"\s*:\s*(?P<value>[0-9]{1,10})\b'
)
"""The fields of the core in a text that is not JSON."""


class ReadInPart(msgspec.Struct, frozen=True):
    """An alarm, the body that was sent, and the names of the fields that got default values."""

    event: Alarm
    body: bytes
    unread: tuple[str, ...]


def read_core(body: bytes, received_at: datetime) -> ReadInPart | None:
    """Return the alarm in a body that does not match the contract; None if it is not one or its core is unreadable."""
    sent = _read(body)
    kind = _kind(sent)
    if kind is None:
        return None
    alarm, unread = _fields(kind, sent)
    if CORE & set(unread):
        return None
    press_id = f"{alarm['device']}:{alarm['inst']}:{alarm['seq']}"
    if kind is AlertPressedAgain and "alert_id" in unread:
        kind = AlertRaised
    if kind is AlertRaised and alarm.get("alert_id") != press_id:
        alarm["alert_id"] = press_id
        unread = [*unread, *({"alert_id"} - set(unread))]
    moment = rfc3339(received_at)
    defaults = {
        **IN_DOUBT,
        "event_id": str(new_id()),
        "at": moment,
        "hops": {"pressed_at": moment, "arrived_at": moment},
    }
    alarm |= {"kind": kind.__struct_config__.tag} | {name: defaults[name] for name in unread if name in defaults}
    if sent.get("kind") not in ALARMS:
        unread = ["kind", *unread]
    return ReadInPart(msgspec.convert(alarm, kind), body, tuple(unread))


def _read(body: bytes) -> dict[str, Any]:
    """Return the fields of an object as far as they are readable; those of the core where the text is not JSON."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, ValueError, RecursionError):
        text = body.decode("utf-8", "replace").lstrip("\ufeff\x00 \t\r\n")
    try:
        sent, _ = _LENIENT.raw_decode(text)
    except (ValueError, RecursionError):
        sent = None
    if isinstance(sent, dict):
        return sent
    found: dict[str, Any] = {}
    for match in _IN_TEXT.finditer(text):
        if match["number"]:
            found.setdefault("seq", int(match["value"]))
        else:
            found.setdefault(match["name"], match["text"])
    return found


def _kind(sent: Mapping[str, Any]) -> type[Alarm] | None:
    """Return the kind of alarm. A kind that is unreadable, or known to newer gateways only, counts as a new alert."""
    kind = sent.get("kind")
    if not isinstance(kind, str):
        kind = None
    if kind in ALARMS:
        return ALARMS[kind]
    return AlertRaised if "alert_id" in sent and kind not in OTHER_KINDS else None


def _fields(kind: type[Alarm], sent: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the readable fields, and the names of the unreadable ones."""
    read, unread = {}, []
    for field in msgspec.structs.fields(kind):
        if field.name in sent and _is(sent[field.name], field.type):
            read[field.name] = sent[field.name]
        elif field.name in sent or field.required:
            unread.append(field.name)
    return read, unread


def _is(value: object, type_: Any) -> bool:
    try:
        read = msgspec.convert(value, type_)
        if isinstance(read, datetime):
            require_times(read)
    except (msgspec.ValidationError, ValueError, OverflowError, RecursionError):
        return False
    return True
