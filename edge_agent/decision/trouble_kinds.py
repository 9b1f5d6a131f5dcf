"""The kinds of trouble that a gateway reports, and what ends each (contracts/gateway_troubles.json)."""

from datetime import timedelta
from enum import StrEnum

QUIET = timedelta(hours=24)
"""A trouble of single messages ends after this time without a new one."""


class End(StrEnum):
    """A condition that ends a trouble."""

    STATE = "state"
    """The condition is checked continuously, also after a restart: the trouble ends with it."""
    PRESS = "press"
    """The next press of the same button without this trouble."""
    CONFIGURATION = "configuration"
    """A configuration that corrects it."""
    QUIET = "quiet"
    """24 hours without another report."""


_OF_A_MESSAGE = frozenset({End.PRESS, End.QUIET})
_OF_AN_ENTRY = frozenset({End.PRESS, End.CONFIGURATION, End.QUIET})

OF_THE_GATEWAY: dict[str, frozenset[End]] = {
    "broker": frozenset({End.STATE}),
    "broker_certificate": frozenset({End.STATE}),
    "event_refused": frozenset({End.STATE}),
    "gateway_clock": frozenset({End.STATE}),
    "no_configuration": frozenset({End.CONFIGURATION}),
    "store_failing": frozenset({End.STATE}),
    "undecided_press": frozenset({End.QUIET}),
}
OF_A_DEVICE: dict[str, frozenset[End]] = {
    "clock_suspect": _OF_A_MESSAGE,
    "device_name": _OF_A_MESSAGE,
    "identity_reused": _OF_A_MESSAGE,
    "other_device_in_body": _OF_A_MESSAGE,
    "oversize_press": _OF_A_MESSAGE,
    "press_flood": frozenset({End.STATE}),
    "pressed_while_decommissioned": _OF_AN_ENTRY,
    "pressed_while_inactive": _OF_AN_ENTRY,
    "pressed_while_maintenance": _OF_AN_ENTRY,
    "pressed_while_not_active": _OF_AN_ENTRY,
    "unidentified_press": _OF_A_MESSAGE,
    "unknown_device": _OF_AN_ENTRY,
    "unknown_pattern": _OF_A_MESSAGE,
    "unknown_room": _OF_AN_ENTRY,
    "unknown_version": _OF_A_MESSAGE,
    "unreadable_press": _OF_A_MESSAGE,
}


def ends_by(device: str | None, kind: str, end: End) -> bool:
    """Whether this ends a trouble of that kind. Kinds of other program versions end after quiet."""
    kinds = OF_THE_GATEWAY if device is None else OF_A_DEVICE
    return end in kinds.get(kind, frozenset({End.QUIET}))
