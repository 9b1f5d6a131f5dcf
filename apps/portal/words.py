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
    "lockdown": TypeWords("Lockdown", "Locks, lights, out of sight.", "Call 911 now."),
    "fire": TypeWords("Fire", "Leave by the nearest safe way. Stay out until told.", "Call 911 now."),
    "evacuate": TypeWords("Evacuate", "Leave the building. Go to the announced place."),
    "hazmat": TypeWords("Hazmat", "Dangerous substance. Keep away, do as announced.", "Call 911 now."),
    "shelter": TypeWords("Shelter", "Take shelter. Do as announced."),
    "weather": TypeWords("Weather", "Severe weather. Go to the shelter area."),
    "medical": TypeWords("Medical", "Somebody needs medical help.", "Call 911 if it is needed."),
    "secure": TypeWords("Secure", "Get inside. Lock outside doors."),
    "hold": TypeWords("Hold", "In your room or area. Clear the halls."),
    "assist": TypeWords("Assist", "A member of staff asks for help."),
    "test": TypeWords("Test", "A test of the system. Nothing to do."),
}


def type_words(alert_type: str) -> TypeWords:
    """Words of a type; a type that has none here is shown by its own name."""
    return TYPES.get(alert_type) or TypeWords(alert_type.replace("_", " ").capitalize(), "")
