"""Permissions reserved for people: no credential of a program can have them, whatever its scopes."""

from collections.abc import Mapping
from typing import Final

from apps.common.access import Pair

_DECIDED_BY_PEOPLE: Final = "People grant permissions, so that no program can raise its own or those of others."
_WORD_OF_A_PERSON: Final = "It records what a person did or saw: a report by a program would stop escalation."

PEOPLE_ONLY: Final[Mapping[Pair, str]] = {
    ("alerts", "update"): _WORD_OF_A_PERSON,
    ("alert_notes", "create"): _WORD_OF_A_PERSON,
    ("check_ins", "create"): _WORD_OF_A_PERSON,
    ("check_ins", "update"): _WORD_OF_A_PERSON,
    # Memberships, invitations, day accounts, roles, identity providers and their domains.
    ("people", "create"): _DECIDED_BY_PEOPLE,
    ("people", "update"): _DECIDED_BY_PEOPLE,
    ("people", "delete"): "A program must not remove the people who could stop it.",
    ("permissions", "update"): _DECIDED_BY_PEOPLE,
    ("service_tokens", "create"): _DECIDED_BY_PEOPLE,
    ("service_tokens", "delete"): _DECIDED_BY_PEOPLE,
    # Settings: second factors of administrators, open registration, legal hold, two persons for an all-clear. Also the
    # end of a platform operator's visit, and the organization's own name and address.
    ("organizations", "update"): "Settings can weaken security, and a person must be responsible for that.",
    ("organizations", "create"): "Only platform operators decide to create or delete a school.",
    ("organizations", "delete"): "Only platform operators decide to create or delete a school.",
    # A drill turns presses into drills: the person who arms a button must be able to see it.
    ("drills", "create"): "Only a person arms a drill.",
    ("drills", "update"): "Only a person arms a drill.",
    ("drills", "delete"): "Only a person ends a drill.",
}
"""Each right that needs a person, with the reason. All others can be scopes of a service token."""
