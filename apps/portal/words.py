"""Texts of the board for each alert type: plain, in the present tense, in the words of a school."""

from collections.abc import Mapping
from typing import Final

import msgspec

from contracts import alert_types


class TypeWords(msgspec.Struct, frozen=True):
    """Texts for one type. `outside`: outside help that a real alert may need and that nobody has called; or None."""

    label: str
    saying: str
    outside: str | None = None


GRAVITY: Final = [kind.type for kind in alert_types()]
"""All types, gravest first."""

TYPES: Final[Mapping[str, TypeWords]] = {
    kind.type: TypeWords(kind.label, kind.saying, kind.outside_help) for kind in alert_types()
}

ICONS: Final = {kind.type: kind.icon for kind in alert_types()}
"""The SVG path of each type's icon, in a view box of 48 by 48."""


def type_words(alert_type: str) -> TypeWords:
    """Return the texts of a type; an unknown type gets its own name as label."""
    return TYPES.get(alert_type) or TypeWords(alert_type.replace("_", " ").capitalize(), "")
