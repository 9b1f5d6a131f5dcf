"""Every write endpoint leaves a row in the audit trail for each change; the matrix then counts them."""

from typing import Final

import pytest

from tests.matrix.routes import ENTRIES

pytestmark = pytest.mark.slow

NO_CHANGE: Final = {
    "POST /api/v1/auth/refresh": "the same sign-in continues",
    "POST /api/v1/auth/password/forgot": "only requests an e-mail: the action of its link is audited",
    "POST /forgot-password/": "only requests an e-mail: the action of its link is audited",
    "DELETE /api/v1/me/phone": "the callers of the matrix have no phone number",
    "DELETE /api/v1/me/devices/{push_registration}": "the matrix requests one of another person, which returns 404",
    "POST /login/": "the matrix sends a wrong password",
    "POST /logout/": "the matrix sends no session",
    "POST /account/second-factor/": "the matrix sends a wrong password",
    "POST /admin/logout/": "redirects to /logout/",
    "POST /admin/accounts/invitation/": "the matrix selects no row: each action has its own route",
    "POST /admin/alerts/alert/": "the matrix selects no row: each action has its own route",
}
"""Successful writes that leave no audit entry, each with the reason."""


def test_every_write_entry_names_its_audit_actions() -> None:
    """A write without audit actions is actually a read, or has its reason here."""
    silent = {str(entry) for entry in ENTRIES if entry.method != "GET" and entry.ok < 400 and not entry.changes}
    assert silent == NO_CHANGE.keys()
