"""The acts that need a person: no credential of a program holds these rights, whoever made it and whatever it says."""

from collections.abc import Mapping
from typing import Final

from apps.common.access import Pair

_DECIDED_BY_PEOPLE: Final = "Who may do what is decided by people, so that no program makes itself or somebody greater."
_WORD_OF_A_PERSON: Final = "It says what a person did or saw: a program's word would stop escalation."

PEOPLE_ONLY: Final[Mapping[Pair, str]] = {
    ("alerts", "update"): _WORD_OF_A_PERSON,
    ("alert_notes", "create"): _WORD_OF_A_PERSON,
    ("check_ins", "create"): _WORD_OF_A_PERSON,
    ("check_ins", "update"): _WORD_OF_A_PERSON,
    # Memberships, invitations, day accounts, roles, identity providers and their domains.
    ("people", "create"): _DECIDED_BY_PEOPLE,
    ("people", "update"): _DECIDED_BY_PEOPLE,
    ("people", "delete"): "A program must not dismiss the people who could stop it.",
    ("permissions", "update"): _DECIDED_BY_PEOPLE,
    ("service_tokens", "create"): _DECIDED_BY_PEOPLE,
    ("service_tokens", "delete"): _DECIDED_BY_PEOPLE,
    # Settings: second factors of administrators, open registration, legal hold, two persons for an all-clear. Also the
    # end of a platform operator's visit, and the organization's own name and address.
    ("organizations", "update"): "Settings weaken or hold up security, and a person answers for that.",
    ("organizations", "create"): "A school begins and ends by an act of the platform's people.",
    ("organizations", "delete"): "A school begins and ends by an act of the platform's people.",
    # A drill turns presses into drills: a button is armed by a person who sees it.
    ("drills", "create"): "Only a person arms a drill.",
    ("drills", "update"): "Only a person arms a drill.",
    ("drills", "delete"): "Only a person ends a drill.",
}
"""Each right that needs a person, with the reason. Everything else can be given to a service token by name."""
