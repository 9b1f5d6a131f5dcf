"""Topic permissions by certificate name: a button for its own topics, the gateway for all buttons and the PA."""

import re
from collections.abc import Iterable
from enum import StrEnum

from contracts import Topic, grammar, topics

DEVICE = re.compile(grammar("device_id"))
GATEWAY = re.compile(r"gateway-[0-9a-z-]{1,56}\Z")

_ANY_NAME = "[^/+#]+"


def _any_of(chosen: Iterable[Topic]) -> re.Pattern[str]:
    """Matches these topics of every device and room."""
    return re.compile(rf"(?:{'|'.join(topic.of(_ANY_NAME) for topic in chosen)})\Z")


_TOPICS = topics().values()
_OF_BUTTONS = "ss/v1/d/{device}/"
_DEVICE_WRITES = frozenset(one.topic.removeprefix(_OF_BUTTONS) for one in _TOPICS if one.sender == "button")
_DEVICE_READS = frozenset(one.topic.removeprefix(_OF_BUTTONS) for one in _TOPICS if one.receiver == "button")
_GATEWAY_WRITES = _any_of(one for one in _TOPICS if one.sender == "gateway")
_GATEWAY_READS = re.compile(r"ss/v1/(?:d|pa)/.+\Z")
_RETAINED = _any_of(one for one in _TOPICS if one.retained)


class Use(StrEnum):
    """The way in which a client uses a topic."""

    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"
    RECEIVE = "receive"


def known(name: str) -> bool:
    """Whether a certificate's common name belongs to a client of this broker."""
    return bool(DEVICE.match(name) or GATEWAY.match(name))


def may(name: str, topic: str, use: Use) -> bool:
    """Whether the client `name` may use `topic` (a topic filter for SUBSCRIBE)."""
    if GATEWAY.match(name):
        return bool((_GATEWAY_WRITES if use is Use.PUBLISH else _GATEWAY_READS).match(topic))
    if not DEVICE.match(name):
        return False
    own = _OF_BUTTONS.replace("{device}", name)
    if not topic.startswith(own):
        return False
    rest = topic.removeprefix(own)
    match use:
        case Use.PUBLISH:
            return rest in _DEVICE_WRITES
        case Use.RECEIVE:
            return rest in _DEVICE_READS
        case Use.SUBSCRIBE:
            return rest in _DEVICE_READS or rest in ("#", "+")


def may_retain(topic: str) -> bool:
    """Whether a topic may be retained: only states, as a retained alert would be raised again on every reconnect."""
    return bool(_RETAINED.match(topic))
