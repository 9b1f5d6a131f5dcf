"""Lanes: kinds of requests with separate threads and database connections, so that no kind can block another.

`asgi.py` separates them in one process; in production they are separate processes, routed equally by `deploy/ingress`.
"""

import re
from enum import StrEnum
from typing import Final


class Lane(StrEnum):
    """The lanes in order of importance."""

    GATEWAYS = "gateways"
    """Requests of gateways, and health checks."""
    ALARMS = "alarms"
    """Requests of people who read and answer alarms."""
    SIGN_INS = "sign-ins"
    """Requests that hash a password: they may wait long, and do not delay others."""
    PAGES = "pages"
    """All other requests."""


_PATHS: Final = (
    (Lane.GATEWAYS, re.compile(r"/(api/v1/edge/.*|api/v1/oauth/token|health/.*)\Z", re.DOTALL)),
    (Lane.ALARMS, re.compile(r"/(api/v1/alerts(/.*)?|board/alerts/.*)\Z", re.DOTALL)),
    (
        Lane.SIGN_INS,
        re.compile(
            r"/(login/|api/v1/(auth/(login|register|invitations/accept|password/reset)|me/(password|confirmation)))\Z"
        ),
    ),
)


def lane_of(method: str, path: str) -> Lane:
    """Return the lane of a request. GET and HEAD hash no password, even for the sign-in page."""
    lane = next((lane for lane, pattern in _PATHS if pattern.match(path)), Lane.PAGES)
    return Lane.PAGES if lane is Lane.SIGN_INS and method in {"GET", "HEAD"} else lane
