"""Which work a request belongs to. Each kind has threads and database connections of its own, so that no other can
take them: in one process by `asgi.py`, in production as processes, routed in the same way by `deploy/ingress`.
"""

import re
from enum import StrEnum
from typing import Final


class Lane(StrEnum):
    """In order of importance."""

    GATEWAYS = "gateways"
    """What gateways send and ask, and whether this process is alive."""
    ALARMS = "alarms"
    """People who see and answer alarms."""
    SIGN_INS = "sign-ins"
    """Whatever hashes a password: may wait long, and holds nobody else up."""
    PAGES = "pages"
    """Everything else."""


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
    """The lane of a request. Reading a page hashes nothing, the sign-in page too."""
    lane = next((lane for lane, pattern in _PATHS if pattern.match(path)), Lane.PAGES)
    return Lane.PAGES if lane is Lane.SIGN_INS and method in {"GET", "HEAD"} else lane
