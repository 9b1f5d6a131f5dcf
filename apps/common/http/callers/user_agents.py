"""Device names from `User-Agent`: just enough for the owner to recognize the device, and nothing else is kept."""

import re
from typing import Final

from django.http import HttpRequest

LONGEST: Final = 100
READ: Final = 500
"""Number of characters of the header that are examined."""
UNKNOWN: Final = "Unknown device"
_BROWSERS: Final = (
    ("Edge", r"\bEdg(?:e|A|iOS)?/"),
    ("Opera", r"\bOPR/"),
    ("Firefox", r"\b(?:Firefox|FxiOS)/"),
    ("Chrome", r"\b(?:Chrome|CriOS)/"),
    ("Safari", r"\bVersion/.*\bSafari/"),
)
"""Browsers in order of precedence: most of them also name those below."""
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
    """Return "Firefox on Windows" or "Chrome on Android"; for another program its own name and version."""
    return device_text(request.META.get("HTTP_USER_AGENT", ""))


def device_text(user_agent: str) -> str:
    """Return the same for the text of a header."""
    user_agent = user_agent[:READ]
    browser, system = _first(_BROWSERS, user_agent), _first(_SYSTEMS, user_agent)
    if browser and system:
        return f"{browser} on {system}"
    product = "".join(character for character in user_agent.partition(" (")[0] if character.isprintable())
    return product.strip()[:LONGEST] or UNKNOWN


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str | None:
    return next((name for name, pattern in names if re.search(pattern, user_agent)), None)
