"""Normalization of text that people type: one normal form, without invisible characters.

Two names that look the same are the same name, so text is composed (Unicode NFC, UAX #15), has one kind of space, and
loses soft hyphens and zero-width spaces. Characters that change how the text around them is displayed are refused:
control characters, and embeddings and overrides of the writing direction (UTS #39, UAX #9).
"""

import re
import unicodedata
from typing import Final

_IGNORED: Final = re.compile("[\u00ad\u180e\u200b\u2060-\u2064\ufeff]")
"""Soft hyphen, zero-width spaces, word joiner, invisible operators, byte order mark: ignored in names."""
_SPACES: Final = re.compile("[\t \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_LINE_BREAKS: Final = re.compile("\r\n|[\n\r\v\f\u0085\u2028\u2029]")
_REFUSED: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
"""Controls (but for the line feed), embeddings, overrides and isolates of the writing direction, and tags."""
_BLANKS: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that are displayed as blank: Hangul fillers, and the empty Braille pattern."""
_VISIBLE: Final = frozenset("LNPS")
"""Letters, numbers, punctuation and symbols: the first letter of their general category."""

NOT_TEXT: Final = "It holds a control character, or one that changes the writing direction: type the text again."
NOTHING_VISIBLE: Final = "It has no visible character."


def single_line(text: str) -> str:
    """Return the normal form of a name or another text of one line; a line break counts as a space.

    Raises ValueError, which says what is wrong.
    """
    return _checked(_SPACES.sub(" ", _LINE_BREAKS.sub(" ", _composed(text))).strip())


def multiple_lines(text: str) -> str:
    """Return the normal form of a text that may have line breaks, each of which becomes U+000A.

    Raises ValueError, which says what is wrong.
    """
    lines = _LINE_BREAKS.split(_composed(text))
    return _checked("\n".join(_SPACES.sub(" ", line).strip() for line in lines).strip())


def email_address(text: str) -> str:
    """Return the form in which an address is stored and looked up: internationalized domains as A-labels (RFC 5890).

    An address whose domain has no such form is unchanged: the validator of addresses refuses it. Raises ValueError.
    """
    address = single_line(text)
    local, at, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        return f"{local}{at}{domain.encode('idna').decode('ascii')}"
    except UnicodeError:
        return address


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", _IGNORED.sub("", text))


def _checked(text: str) -> str:
    if _REFUSED.search(text):
        raise ValueError(NOT_TEXT)
    if text and not any(unicodedata.category(one)[0] in _VISIBLE and one not in _BLANKS for one in text):
        raise ValueError(NOTHING_VISIBLE)
    return text
