"""Sanitize names that people typed, for use in messages to others.

Mail programs turn everything that looks like an address into a link, and readers trust our mail. So a name in a text
contains nothing that could be an address, a name that contained one is left out of subjects, and no name can add lines.
"""

import re
import unicodedata
from typing import Final

LONGEST: Final = 80
"""Maximum length of a name in a message."""
DOTS: Final = ".\u3002\uff0e\uff61\u2024\ufe52"
"""Characters that browsers and mail programs read as the dot of a domain (UTS 46), or that look like one."""
AT: Final = "@\uff20\ufe6b"
_DOT_OF_DOMAIN: Final = re.compile(rf"(?<=\S)[{DOTS}]+(?=\S)")
_SCHEME: Final = re.compile(r"[:\uff1a](?=\S)")
_SLASH: Final = re.compile(r"[/\\\u2044\u2215\uff0f\uff3c]+")
_AT: Final = re.compile(f"[{AT}]")
_WWW: Final = re.compile(r"\bwww\b", re.IGNORECASE)


def as_text(name: str) -> str:
    """Return the name on one line, without possible links or addresses: "evil.example/x" is "evil. example x"."""
    line = _one_line(name)
    line = _AT.sub(" at ", _SLASH.sub(" ", line))
    line = _SCHEME.sub(": ", _DOT_OF_DOMAIN.sub(". ", line))
    line = " ".join(line.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1].rstrip()}\u2026"


def in_subject(name: str, *, instead: str = "Your school") -> str:
    """Return the name for a subject, or `instead` if a part of it could be a link."""
    line = _one_line(name)
    return line if line and line == as_text(name) and not _WWW.search(line) else instead


def _one_line(name: str) -> str:
    """Remove invisible characters: controls, writing directions, joiners, line separators."""
    spaced = "".join(" " if unicodedata.category(char) in {"Cc", "Zl", "Zp", "Zs"} else char for char in name)
    return " ".join("".join(char for char in spaced if unicodedata.category(char)[0] != "C").split())
