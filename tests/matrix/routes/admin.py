"""Every page of Django's admin, from its registry: readable with the right to read such rows, where it is held.

Each registered page needs a row of its model: `ROWS` in `admin_things.py`.
"""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlencode

from django.contrib import admin

from apps.common.model_admin.scoped import ScopedAdmin
from tests.matrix.admin_things import ONE_MORE, ROWS
from tests.matrix.entry import At, Entry
from tests.matrix.things import Things

FOR_EVERYBODY_OF_IT: Final = frozenset({"tenancy.Organization"})
"""Readable with the right anywhere in the organization."""

MONTHS: Final = {"devices.Device": 2}
"""Its readings are of the last day, which may have begun in another month."""

PEOPLE: Final = frozenset({"person"})


def entries(page: ScopedAdmin) -> Iterator[Entry]:
    label, name = page.opts.label, f"/admin/{page.opts.app_label}/{page.opts.model_name}"
    if label not in ROWS:
        raise KeyError(f"{label} has a page in the admin: say in tests/matrix/admin_things.py what makes a row of it.")
    row, right = ROWS[label], f"{page.resource}:read"
    at = At.BUILDING if page.building else At.SITE if page.site else At.ORGANIZATION
    at = At.LIST if label in FOR_EVERYBODY_OF_IT else at
    listed = f"{right}|open_alerts:read" if label == "alerts.Alert" else right
    typed = label in {"common.AuditEntry", "devices.Trouble"}
    yield Entry("GET", f"{name}/", listed, At.LIST, rows=ONE_MORE.get(row, row), repeats_what_was_typed=typed)
    yield Entry("GET", f"{name}/{{{row}}}/change/", right, at, months=MONTHS.get(label, 1))
    yield Entry("GET", f"{name}/{{{row}}}/history/", right, at, ok=302)


def form(method: str, path: str, right: str, at: At, changes: str = "", **values: str) -> Entry:
    """Return the entry of a form on a page; words in braces are filled in as in a path."""

    def body(things: Things) -> str:
        return urlencode({name: value.format_map(things) for name, value in values.items()})

    return Entry(
        method, path, right, at, 302, body, "application/x-www-form-urlencoded", changes=[changes] if changes else []
    )


def place(kind: str, parent: str, at: At, above: At, **values: str) -> Iterator[Entry]:
    """Return the entries of a kind of place: created below a parent, changed, and deleted when it is empty."""
    pages = f"/admin/tenancy/{kind}"
    add = f"{pages}/add/?{parent}={{{parent}}}"
    yield Entry("GET", add, "places:create", above)
    yield form("POST", add, "places:create", above, f"{kind}.created", **{parent: f"{{{parent}}}"}, **values)
    yield form("POST", f"{pages}/{{{kind}}}/change/", "places:update", at, f"{kind}.updated", **values)
    where = At.ELSEWHERE if kind in {"site", "building"} else at
    yield Entry("GET", f"{pages}/{{{kind}_row}}/delete/", "places:delete", where)
    yield form("POST", f"{pages}/{{{kind}_row}}/delete/", "places:delete", where, f"{kind}.deleted", post="yes")


PERSON, INVITATION = "/admin/accounts/user/{person}", "/admin/accounts/invitation"
INVITE, ALERT = f"{INVITATION}/add/?organization={{organization}}", "/admin/alerts/alert"
WRITES: Final = [
    form(
        "POST",
        "/admin/tenancy/organization/{organization}/change/",
        "organizations:update",
        At.ORGANIZATION,
        "organization.updated",
        name="{new_word}",
        slug="school-{new_word}",
        timezone="UTC",
        locale="en-US",
        cancel_window_seconds="10",
        two_person_types="lockdown",
        responder_policy="direct",
        responder_confirm_seconds="30",
        escalate_after_seconds="120",
    ),
    *place("site", "organization", At.SITE, At.ORGANIZATION, name="{new_word}"),
    *place("building", "site", At.BUILDING, At.SITE, name="{new_word}", floor_count="1"),
    *place("floor", "building", At.BUILDING, At.BUILDING, floor_number="{new_number}"),
    *place("room", "floor", At.BUILDING, At.BUILDING, room_number="{new_word}"),
    form(
        "POST",
        f"{PERSON}/change/?organization={{organization}}",
        "people:update",
        At.ORGANIZATION,
        "person.updated",
        name="{new_word}",
        role="operator",
        scope="organization",
    ),
    Entry("GET", f"{PERSON}/delete/", "people:delete"),
    form("POST", f"{PERSON}/delete/", "people:delete", At.ORGANIZATION, "membership.ended", post="yes"),
    Entry("GET", INVITE, "people:create"),
    form(
        "POST",
        INVITE,
        "people:create",
        At.ORGANIZATION,
        "invitation.created",
        organization="{organization}",
        email="{new_word}@school.example",
        role="viewer",
        scope="organization",
    ),
    form("POST", f"{INVITATION}/{{invitation_row}}/resend/", "people:create", At.ORGANIZATION, "invitation.resent"),
    form("POST", f"{INVITATION}/{{invitation_row}}/revoke/", "people:delete", At.ORGANIZATION, "invitation.revoked"),
    Entry("POST", f"{INVITATION}/", "people:read", At.LIST),
    form("POST", f"{ALERT}/{{alert}}/acknowledge/", "alerts:update", At.BUILDING, "alert.acknowledge"),
    form("POST", f"{ALERT}/{{alert}}/resolve/", "alerts:update", At.BUILDING, "alert.resolve"),
    Entry("POST", f"{ALERT}/", "closed_alerts:read|open_alerts:read", At.LIST),
]

PAGES: Final = [page for page in admin.site._registry.values() if isinstance(page, ScopedAdmin)]

ENTRIES = [
    Entry("GET", "/admin/", at=At.SELF, kinds=PEOPLE),
    Entry("GET", f"/admin/{PAGES[0].opts.app_label}/", at=At.SELF, kinds=PEOPLE, ok=302),
    Entry("GET", "/admin/jsi18n/", at=At.SELF, kinds=PEOPLE),
    Entry("POST", "/admin/logout/", at=At.SELF, kinds=PEOPLE, ok=307),
    *(entry for page in PAGES for entry in entries(page)),
    *WRITES,
]
