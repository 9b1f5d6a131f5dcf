"""What stands in the way of a change of an organization's settings: asked of the apps that know.

They say it when they start:
- `mfa_required_for_admins`: apps.accounts
"""

from collections.abc import Callable

from apps.common.access import Principal
from apps.tenancy.organization_settings import OrganizationSettings

Check = Callable[[Principal, OrganizationSettings, OrganizationSettings], None]
"""Raises a Problem when this person may not change the settings from the first to the second."""


def register(check: Check) -> None:
    """Have `check` asked before each change."""
    if check not in _checks:
        _checks.append(check)


def require_allowed(actor: Principal, before: OrganizationSettings, after: OrganizationSettings) -> None:
    """Raise what a registered check raises."""
    for check in _checks:
        check(actor, before, after)


_checks: list[Check] = []
