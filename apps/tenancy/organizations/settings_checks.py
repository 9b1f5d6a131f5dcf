"""Checks of other apps before a change of an organization's settings.

The apps register them at startup:
- `mfa_required_for_admins`: apps.accounts
"""

from collections.abc import Callable

from apps.common.access import Principal
from apps.tenancy.organizations.organization_settings import OrganizationSettings

Check = Callable[[Principal, OrganizationSettings, OrganizationSettings], None]
"""Raises a Problem if this person may not change the settings from the first to the second."""


def register(check: Check) -> None:
    """Run `check` before each change."""
    if check not in _checks:
        _checks.append(check)


def require_allowed(actor: Principal, before: OrganizationSettings, after: OrganizationSettings) -> None:
    """Run all registered checks. Raises what they raise."""
    for check in _checks:
        check(actor, before, after)


_checks: list[Check] = []
