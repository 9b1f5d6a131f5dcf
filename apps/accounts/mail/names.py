"""Names that people typed, as they may stand in what we send to others.

A mail program makes a link of whatever looks like an address, and a reader believes what our mail says. So a name in a
text has nothing that could be an address, and one that had is left out of the subject; neither has lines of its own.
"""

import re
import unicodedata
from typing import Final

LONGEST: Final = 80
"""Characters of a name in a message."""
DOTS: Final = ".\u3002\uff0e\uff61\u2024\ufe52"
"""What a browser or mail program reads as the dot of a domain (UTS 46), or shows like one."""
AT: Final = "@\uff20\ufe6b"
_DOT_OF_DOMAIN: Final = re.compile(rf"(?<=\S)[{DOTS}]+(?=\S)")
_SCHEME: Final = re.compile(r"[:\uff1a](?=\S)")
_SLASH: Final = re.compile(r"[/\\\u2044\u2215\uff0f\uff3c]+")
_AT: Final = re.compile(f"[{AT}]")
_WWW: Final = re.compile(r"\bwww\b", re.IGNORECASE)


def as_text(name: str) -> str:
    """The name in one line, without what could be a link or an address: "evil.example/x" is "evil. example x"."""
    line = _one_line(name)
    line = _AT.sub(" at ", _SLASH.sub(" ", line))
    line = _SCHEME.sub(": ", _DOT_OF_DOMAIN.sub(". ", line))
    line = " ".join(line.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1].rstrip()}\u2026"


def in_subject(name: str, *, instead: str = "Your school") -> str:
    """The name for a subject; what stands for it instead where something in it could be a link."""
    line = _one_line(name)
    return line if line and line == as_text(name) and not _WWW.search(line) else instead


def _one_line(name: str) -> str:
    """Without what is not seen: controls, directions of writing, what joins or separates lines."""
    spaced = "".join(" " if unicodedata.category(letter) in {"Cc", "Zl", "Zp", "Zs"} else letter for letter in name)
    return " ".join("".join(letter for letter in spaced if unicodedata.category(letter)[0] != "C").split())
