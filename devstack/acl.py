"""Which MQTT topics a certificate's name may use: a button its own, the gateway all buttons' and the PA's."""

import re
from enum import StrEnum

from contracts import grammar

DEVICE = re.compile(grammar("device_id"))
GATEWAY = re.compile(r"gateway-[0-9a-z-]{1,56}\Z")

_OF_A_DEVICE = r"ss/v1/d/[^/+#]+/"
_GATEWAY_WRITES = re.compile(rf"(?:{_OF_A_DEVICE}(?:ack|cmd)|ss/v1/pa/[^/+#]+/play)\Z")
_GATEWAY_READS = re.compile(r"ss/v1/(?:d|pa)/.+\Z")
_DEVICE_WRITES = frozenset({"alert", "health", "state", "cmd/result"})
_DEVICE_READS = frozenset({"ack", "cmd"})


class Use(StrEnum):
    """What a client wants with a topic."""

    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"
    RECEIVE = "receive"


def known(name: str) -> bool:
    """Whether a certificate's common name is one that this broker serves at all."""
    return bool(DEVICE.match(name) or GATEWAY.match(name))


def may(name: str, topic: str, use: Use) -> bool:
    """Whether the client called `name` may use `topic` (for SUBSCRIBE a topic filter)."""
    if GATEWAY.match(name):
        return bool((_GATEWAY_WRITES if use is Use.PUBLISH else _GATEWAY_READS).match(topic))
    if not DEVICE.match(name):
        return False
    own = f"ss/v1/d/{name}/"
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
    """Only states are retained: a retained alert would sound again for everyone who reconnects."""
    return topic.startswith("ss/v1/d/") and topic.endswith("/state")
