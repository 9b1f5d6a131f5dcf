"""What the kinds of troubles say to whom."""

from typing import Final

from contracts import gateway_troubles

GATEWAY_MISSING: Final = "gateway_missing"
BUTTON_MISSING: Final = "missing"
BUTTONS_MISSING: Final = "buttons_missing"
RELAY_MISSING: Final = "relay_missing"
WORKER_MISSING: Final = "worker_missing"

OF_GATEWAYS: Final = tuple(gateway_troubles())
"""Those that a gateway reports."""

SUPERVISED: Final = frozenset({GATEWAY_MISSING, BUTTON_MISSING, BUTTONS_MISSING, RELAY_MISSING, WORKER_MISSING})
"""Raised and ended by the cloud's own sweep."""

WITHOUT_PRESS: Final = SUPERVISED | {"broker", "no_configuration"}
"""No press causes one of these. Any other may come of a silent press, and would reveal it: who may not see silent
alerts does not see it, whatever caused it this time."""


def is_public(kind: str) -> bool:
    """Whether everybody who sees devices may see a trouble of this kind."""
    return kind in WITHOUT_PRESS
