"""The kinds of troubles, and who may see each."""

from typing import Final

from contracts import gateway_troubles

GATEWAY_MISSING: Final = "gateway_missing"
BUTTON_MISSING: Final = "missing"
BUTTONS_MISSING: Final = "buttons_missing"
RELAY_MISSING: Final = "relay_missing"
WORKER_MISSING: Final = "worker_missing"

OF_GATEWAYS: Final = tuple(gateway_troubles())
"""Kinds that a gateway reports."""

SUPERVISED: Final = frozenset({GATEWAY_MISSING, BUTTON_MISSING, BUTTONS_MISSING, RELAY_MISSING, WORKER_MISSING})
"""Raised and ended by the cloud's own sweep."""

WITHOUT_PRESS: Final = SUPERVISED | {"broker", "no_configuration"}
"""Kinds that no press causes. Any other may come from a silent press and would reveal it, so it is visible only with
the right to read silent alerts, whatever caused it this time."""


def is_public(kind: str) -> bool:
    """Return whether troubles of this kind are visible to everybody who may read devices."""
    return kind in WITHOUT_PRESS
