"""What the board says of each type of alert: plain, in the present tense, as a school names things."""

from collections.abc import Mapping
from typing import Final

import msgspec

from contracts import alert_types


class TypeWords(msgspec.Struct, frozen=True):
    """Words for one type. `outside` says which help a real alert may need that nobody has called; None: none."""

    label: str
    saying: str
    outside: str | None = None


GRAVITY: Final = [kind.type for kind in alert_types()]
"""All types, the gravest first."""

TYPES: Final[Mapping[str, TypeWords]] = {
    kind.type: TypeWords(kind.label, kind.saying, kind.outside_help) for kind in alert_types()
}

ICONS: Final = {kind.type: kind.icon for kind in alert_types()}
"""The path of each type's icon, in a box of 48 by 48."""


def type_words(alert_type: str) -> TypeWords:
    """Words of a type; a type that has none here is shown by its own name."""
    return TYPES.get(alert_type) or TypeWords(alert_type.replace("_", " ").capitalize(), "")
