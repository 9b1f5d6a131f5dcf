"""What a caller's `User-Agent` says of its device: enough for its owner to recognize it, and no more is kept."""

import re
from typing import Final

from django.http import HttpRequest

LONGEST: Final = 100
READ: Final = 500
"""Letters of the header that are looked at."""
UNKNOWN: Final = "Unknown device"
_BROWSERS: Final = (
    ("Edge", r"\bEdg(?:e|A|iOS)?/"),
    ("Opera", r"\bOPR/"),
    ("Firefox", r"\b(?:Firefox|FxiOS)/"),
    ("Chrome", r"\b(?:Chrome|CriOS)/"),
    ("Safari", r"\bVersion/.*\bSafari/"),
)
"""In this order: most of them name those below too."""
_SYSTEMS: Final = (
    ("iPhone", r"\biPhone\b"),
    ("iPad", r"\biPad\b"),
    ("Android", r"\bAndroid\b"),
    ("Windows", r"\bWindows\b"),
    ("Chrome OS", r"\bCrOS\b"),
    ("Mac", r"\bMac OS X\b|\bMacintosh\b"),
    ("Linux", r"\bLinux\b"),
)


def device_of(request: HttpRequest) -> str:
    """ "Firefox on Windows", "Chrome on Android"; of another program its own name and version."""
    return device_text(request.META.get("HTTP_USER_AGENT", ""))


def device_text(user_agent: str) -> str:
    """The same for a header's text."""
    user_agent = user_agent[:READ]
    browser, system = _first(_BROWSERS, user_agent), _first(_SYSTEMS, user_agent)
    if browser and system:
        return f"{browser} on {system}"
    product = "".join(letter for letter in user_agent.partition(" (")[0] if letter.isprintable())
    return product.strip()[:LONGEST] or UNKNOWN


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str | None:
    return next((name for name, pattern in names if re.search(pattern, user_agent)), None)
