"""Every page of Django's admin, from its registry: read by who the role table lets read such rows, where they hold it.

A page that is registered needs a row of its kind: `ROWS` in `admin_things.py`.
"""

from collections.abc import Iterator
from typing import Final

from django.contrib import admin

from apps.common.scoped_admin import ScopedAdmin
from tests.matrix.admin_things import ONE_MORE, ROWS
from tests.matrix.entry import At, Entry

FOR_EVERYBODY_OF_IT: Final = frozenset({"tenancy.Organization"})
"""Read by whoever has the right anywhere in the organization."""

PEOPLE: Final = frozenset({"person"})


def entries(page: ScopedAdmin) -> Iterator[Entry]:
    label, name = page.opts.label, f"/admin/{page.opts.app_label}/{page.opts.model_name}"
    if label not in ROWS:
        raise KeyError(f"{label} has a page in the admin: say in tests/matrix/admin_things.py what makes a row of it.")
    row, right = ROWS[label], f"{page.resource}:read"
    at = At.BUILDING if page.building else At.SITE if page.site else At.ORGANIZATION
    at = At.LIST if label in FOR_EVERYBODY_OF_IT else at
    yield Entry("GET", f"{name}/", right, At.LIST, rows=ONE_MORE.get(row, row))
    yield Entry("GET", f"{name}/{{{row}}}/change/", right, at)
    yield Entry("GET", f"{name}/{{{row}}}/history/", right, at, ok=302)


PAGES: Final = [page for page in admin.site._registry.values() if isinstance(page, ScopedAdmin)]

ENTRIES = [
    Entry("GET", "/admin/", at=At.SELF, kinds=PEOPLE),
    Entry("GET", f"/admin/{PAGES[0].opts.app_label}/", at=At.SELF, kinds=PEOPLE, ok=302),
    Entry("GET", "/admin/jsi18n/", at=At.SELF, kinds=PEOPLE),
    Entry("POST", "/admin/logout/", at=At.SELF, kinds=PEOPLE, ok=307),
    *(entry for page in PAGES for entry in entries(page)),
]
