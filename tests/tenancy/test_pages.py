"""Pagination of places and organizations: added items do not shift pages, and a cursor is valid for its list."""

from collections.abc import Callable

import pytest

from apps.common.access import SYSTEM
from apps.common.db.scope import tenant_scope
from apps.tenancy import services
from apps.tenancy.models import Building, Floor, Site
from tests.kit.callers import Caller, JsonObject, document
from tests.kit.refusals import refused
from tests.kit.school import School

pytestmark = pytest.mark.slow

Add = Callable[[int], object]


def lists(school: School) -> dict[str, tuple[str, str, Add]]:
    """The path of each list, the field it is ordered by, and how to add the n-th item in that order."""
    organization = school.organization

    def site(number: int) -> object:
        return services.create_site(actor=SYSTEM, organization_id=organization, name=f"S{number:03}")

    def building(number: int) -> object:
        return services.create_building(actor=SYSTEM, site=Site.objects.get(id=school.site), name=f"S{number:03}")

    def floor(number: int) -> object:
        return services.create_floor(
            actor=SYSTEM, building=Building.objects.get(id=school.building), floor_number=number
        )

    def room(number: int) -> object:
        return services.create_room(actor=SYSTEM, floor=Floor.objects.get(id=school.floor), room_number=f"S{number:03}")

    return {
        "sites": (f"organizations/{organization}/sites", "name", site),
        "buildings": (f"sites/{school.site}/buildings", "name", building),
        "floors": (f"buildings/{school.building}/floors", "floor_number", floor),
        "rooms": (f"floors/{school.floor}/rooms", "room_number", room),
    }


every_list = pytest.mark.parametrize("name", ["sites", "buildings", "floors", "rooms"])


def add(school: School, how: Add, *numbers: int) -> None:
    with tenant_scope([school.organization]):
        for number in numbers:
            how(number)


@every_list
def test_pages_contain_each_item_once_while_others_are_added(school: School, admin: Caller, name: str) -> None:
    """Before and after the current page: items that existed at the start are returned once, in order."""
    path, by, how = lists(school)[name]
    add(school, how, *range(10, 30, 2))
    before = {one["id"] for page in admin.pages(path, limit=100) for one in page}
    items: list[JsonObject] = []
    for number, page in enumerate(admin.pages(path, limit=3)):
        items += page
        add(school, how, 101 + number, 9 - number)
        if number == 8:
            break
    ids = [one["id"] for one in items]
    assert len(ids) == len(set(ids))
    assert before <= set(ids)
    assert [one[by] for one in items] == sorted(one[by] for one in items)


@every_list
def test_list_can_be_read_backwards_to_its_start(school: School, admin: Caller, name: str) -> None:
    path, _, how = lists(school)[name]
    add(school, how, *range(7))
    page = admin.read(path, limit="2")
    forth = [page["results"]]
    while page["next"]:
        page = document(admin.client.get(page["next"]))
        forth.append(page["results"])
    back = [page["results"]]
    while page["previous"]:
        page = document(admin.client.get(page["previous"]))
        back.append(page["results"])
    assert back == forth[::-1]


@every_list
def test_cursor_of_another_list_is_refused(school: School, admin: Caller, name: str) -> None:
    """A malformed or empty cursor is refused too."""
    known = lists(school)
    for _, _, how in known.values():
        add(school, how, 1, 2, 3)
    cursors = {
        other: admin.read(path, limit="1")["next"].partition("cursor=")[2].partition("&")[0]
        for other, (path, _, _) in known.items()
    }
    path = known[name][0]
    assert admin.client.get(f"/api/v1/{path}?cursor={cursors.pop(name)}").status_code == 200
    for cursor in (*cursors.values(), "nonsense", "", "a:b:c"):
        refused(admin.client.get(f"/api/v1/{path}?cursor={cursor}"), 400, "bad_cursor")


@every_list
@pytest.mark.parametrize("limit", ["0", "-1", "101", "many", "1.5", "\u0664", ""])
def test_page_limit_must_be_1_to_100(school: School, admin: Caller, name: str, limit: str) -> None:
    path, _, _ = lists(school)[name]
    assert set(refused(admin.get(path, limit=limit), 400, "invalid")["errors"]) == {"limit"}


def test_organizations_with_equal_names_are_listed_once_each(operator_of_platform: Caller, admin: Caller) -> None:
    """The list of super admins comes from a database function: in both directions, by name and id."""
    pages = list(operator_of_platform.pages("organizations", limit=7))
    forth = [one["id"] for page in pages for one in page]
    assert len(forth) == len(set(forth))
    names = [(one["name"], one["id"]) for page in pages for one in page]
    assert len(names) > 1
    page = operator_of_platform.read("organizations", limit="7")
    if page["next"]:
        second = document(operator_of_platform.client.get(page["next"]))
        assert document(operator_of_platform.client.get(second["previous"]))["results"] == page["results"]
    refused(admin.client.get("/api/v1/organizations?cursor=nonsense"), 400, "bad_cursor")
