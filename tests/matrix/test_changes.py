"""Every write endpoint leaves a row in the audit trail for each change: what the matrix then counts."""

from typing import Final

import pytest

from tests.matrix.routes import ENTRIES

pytestmark = pytest.mark.slow

NO_CHANGE: Final = {
    "POST /api/v1/auth/refresh": "the same sign-in goes on",
    "POST /api/v1/auth/password/forgot": "a letter is asked for: what its link does is told",
    "POST /forgot-password/": "a letter is asked for: what its link does is told",
    "DELETE /api/v1/me/phone": "as the matrix asks, of who has none",
    "DELETE /api/v1/me/devices/{push_registration}": "as the matrix asks, of somebody else's: it is not there",
    "POST /login/": "as the matrix asks, with a password that is none",
    "POST /logout/": "as the matrix asks, without a session",
    "POST /account/second-factor/": "as the matrix asks, with a password that is none",
    "POST /admin/logout/": "it hands over to /logout/",
    "POST /admin/accounts/invitation/": "as the matrix asks, with nothing chosen: each act has a route of its own",
    "POST /admin/alerts/alert/": "as the matrix asks, with nothing chosen: each act has a route of its own",
}
"""Writes that are done and change nothing that the trail tells of, each with the reason."""


def test_every_write_that_is_done_says_what_it_leaves_in_the_audit_trail() -> None:
    """One that says nothing is a read in disguise, or has its reason here."""
    silent = {str(entry) for entry in ENTRIES if entry.method != "GET" and entry.ok < 400 and not entry.changes}
    assert silent == NO_CHANGE.keys()
