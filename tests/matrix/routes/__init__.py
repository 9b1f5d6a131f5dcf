"""The table of all routes, with a file for each app."""

from collections.abc import Sequence
from typing import Final

from tests.matrix.entry import Entry
from tests.matrix.routes import account, accounts, admin, alerts, common, devices, people, portal, sign_in, tenancy

ENTRIES: Final[Sequence[Entry]] = [
    *common.ENTRIES,
    *tenancy.ENTRIES,
    *accounts.ENTRIES,
    *account.ENTRIES,
    *sign_in.ENTRIES,
    *people.ENTRIES,
    *devices.ENTRIES,
    *alerts.ENTRIES,
    *portal.ENTRIES,
    *admin.ENTRIES,
]
