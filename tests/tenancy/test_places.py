"""Sites, buildings, floors and rooms: each kind with the same endpoints, in one tree."""

from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Role
from apps.accounts.rights.grants import person_principal
from apps.common.access import SYSTEM
from apps.common.db.scope import tenant_scope
from apps.tenancy import selectors, services
from apps.tenancy.models import Building, Floor, Site
from tests.kit.callers import Caller, JsonObject, admin_of, document, member, narrowed
from tests.kit.refusals import refused
from tests.kit.school import School, SchoolFactory
from tests.kit.trail import actions

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Kind:
    """A kind of place: its list, bodies that create one, and invalid values of each field."""

    name: str
    parent: str
    least: JsonObject
    full: JsonObject
    bad: dict[str, list[object]]

    def below(self, school: School) -> str:
        """The path of the list of this kind of places in the school."""
        parent = "organization" if self.parent == "organizations" else self.parent.removesuffix("s")
        return f"{self.parent}/{getattr(school, parent)}/{self.name}s"

    def __str__(self) -> str:
        return self.name


NAMES: list[object] = ["", " ", "x" * 201, None, 5, [], {}]
TEXTS: list[object] = [5, [], {}, True]
SITE = Kind(
    "site",
    "organizations",
    {"name": "North"},
    {
        "name": "North",
        "address": "12 Elm Street",
        "latitude": 41.88,
        "longitude": -87.63,
        "timezone": "America/Chicago",
    },
    {
        "name": NAMES,
        "address": [*TEXTS, "x" * 1001],
        "latitude": [91, -90.00000001, "north", True, [], 1e300],
        "longitude": [180.5, -181, {}],
        "timezone": ["Mars/Olympus", "x" * 51, 5],
    },
)
BUILDING = Kind(
    "building",
    "sites",
    {"name": "Gym"},
    {"name": "Gym", "address": "14 Elm Street", "floor_count": 3},
    {"name": NAMES, "address": [*TEXTS, "x" * 1001], "floor_count": [-1, 501, 1.5, "two", None, 2**31, 10**30]},
)
FLOOR = Kind(
    "floor",
    "buildings",
    {"floor_number": 8},
    {"floor_number": 7, "name": "Seventh"},
    {"floor_number": [None, "first", 1.5, 2**31, -(2**31) - 1, []], "name": [*TEXTS, "x" * 101]},
)
ROOM = Kind(
    "room",
    "floors",
    {"room_number": "8b"},
    {"room_number": "7b", "name": "Chemistry", "capacity": 30, "room_type": "lab"},
    {
        "room_number": ["", "x" * 51, None, []],
        "name": [*TEXTS, "x" * 201],
        "capacity": [-1, "many", 2**31, 0.5],
        "room_type": [*TEXTS, "x" * 51],
    },
)
KINDS = [SITE, BUILDING, FLOOR, ROOM]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


def made(caller: Caller, school: School, kind: Kind) -> JsonObject:
    return document(caller.post(kind.below(school), kind.full), 201)


@every_kind
def test_place_can_be_created_read_updated_and_deleted(school: School, admin: Caller, kind: Kind) -> None:
    """Each response is the whole place; each write is audited once."""
    place = made(admin, school, kind)
    path = f"{kind.name}s/{place['id']}"
    assert place | kind.full == place
    assert place["organization_id"] == str(school.organization)
    assert admin.read(path) == place
    changed = document(admin.patch(path, kind.least))
    assert changed | {"updated_at": None} == place | kind.least | {"updated_at": None} or "updated_at" not in place
    assert admin.delete(path).status_code == 204
    refused(admin.get(path), 404, "not_found")
    assert actions(school.organization)[-3:] == [f"{kind.name}.{done}" for done in ("created", "updated", "deleted")]


@every_kind
def test_put_resets_omitted_fields_and_patch_keeps_them(school: School, admin: Caller, kind: Kind) -> None:
    place = made(admin, school, kind)
    path = f"{kind.name}s/{place['id']}"
    assert {name: document(admin.patch(path, {}))[name] for name in kind.full} == kind.full
    after = document(admin.put(path, kind.least))
    fresh = kind.least | dict.fromkeys(kind.full.keys() - kind.least.keys(), None)
    fresh |= {"timezone": "UTC"} if kind is SITE else {"floor_count": 1} if kind is BUILDING else {}
    assert {name: after[name] for name in kind.full} == fresh
    refused(admin.put(path, {}), 400, "invalid")


@every_kind
def test_read_only_fields_are_ignored_in_a_put(school: School, admin: Caller, kind: Kind) -> None:
    """A client can send back a place that it has read; ids in the body do not move it."""
    place = made(admin, school, kind)
    stranger = {name: str(uuid4()) for name in place if name == "id" or name.endswith("_id")}
    after = document(admin.put(f"{kind.name}s/{place['id']}", place | stranger))
    assert {name: after[name] for name in stranger} == {name: place[name] for name in stranger}


@every_kind
def test_invalid_value_is_refused_by_field(school: School, admin: Caller, kind: Kind) -> None:
    """Wrong type, too long or out of range: nothing is stored, on creation or change."""
    place = made(admin, school, kind)
    path = f"{kind.name}s/{place['id']}"
    before = admin.read(kind.below(school), limit="100")
    for name, values in kind.bad.items():
        for value in values:
            for answer in (
                admin.post(kind.below(school), kind.least | {name: value}),
                admin.patch(path, {name: value}),
            ):
                assert set(refused(answer, 400, "invalid")["errors"]) == {name}, value
    assert admin.read(kind.below(school), limit="100") == before


@every_kind
def test_unknown_field_is_refused_by_name(school: School, admin: Caller, kind: Kind) -> None:
    place = made(admin, school, kind)
    for answer in (
        admin.post(kind.below(school), kind.least | {"colour": "red"}),
        admin.put(f"{kind.name}s/{place['id']}", kind.least | {"colour": "red"}),
        admin.patch(f"{kind.name}s/{place['id']}", {"colour": "red"}),
    ):
        assert refused(answer, 400, "invalid")["errors"] == {"colour": ["There is no such field."]}


@every_kind
def test_stale_write_of_place_is_refused(school: School, admin: Caller, kind: Kind) -> None:
    """Every write gets 412 and the place keeps the other change; a write with the current ETag succeeds."""
    path = f"{kind.name}s/{made(admin, school, kind)['id']}"
    seen = admin.get(path)["ETag"]
    document(admin.patch(path, kind.full | {"name": "Theirs"}, if_match=seen))
    for answer in (
        admin.patch(path, {"name": "Mine"}, if_match=seen),
        admin.put(path, kind.full | {"name": "Mine"}, if_match=seen),
        admin.delete(path, if_match=seen),
        admin.delete(path, if_match=f"W/{seen}"),
    ):
        refused(answer, 412, "precondition_failed")
    answer = admin.get(path)
    assert document(answer)["name"] == "Theirs"
    assert admin.delete(path, if_match=f'"other", {answer["ETag"]}').status_code == 204


def test_stale_write_of_organization_is_refused(school: School, admin: Caller, operator_of_platform: Caller) -> None:
    path = f"organizations/{school.organization}"
    seen = admin.get(path)["ETag"]
    document(admin.patch(path, {"name": "Theirs"}, if_match=seen))
    answers = [
        admin.patch(path, {"name": "Mine"}, if_match=seen),
        admin.put(path, {"name": "Mine", "slug": f"x-{uuid4()}"}, if_match=seen),
        operator_of_platform.delete(path, if_match=seen),
        operator_of_platform.post(f"{path}/suspend", {"reason": "x"}, if_match=seen),
        operator_of_platform.post(f"{path}/resume", if_match=seen),
        operator_of_platform.post(f"{path}/undelete", if_match=seen),
    ]
    for answer in answers:
        refused(answer, 412, "precondition_failed")
    assert admin.read(path)["name"] == "Theirs"


@every_kind
def test_place_of_another_school_is_not_found(school: School, admin: Caller, kind: Kind) -> None:
    """The response is the same as for an unknown place, for every method."""
    other = SchoolFactory.create()
    for foreign in (getattr(other, kind.name), uuid4()):
        path = f"{kind.name}s/{foreign}"
        answers = [admin.get(path), admin.put(path, kind.full), admin.patch(path, kind.least), admin.delete(path)]
        assert {answer.content for answer in answers} == {answers[0].content}
        for answer in answers:
            refused(answer, 404, "not_found")
    refused(admin.post(kind.below(other), kind.least), 404, "not_found")
    refused(admin.get(kind.below(other)), 404, "not_found")


@pytest.mark.parametrize(("kind", "field"), [(FLOOR, "floor_number"), (ROOM, "room_number")])
def test_number_is_unique_within_its_parent(school: School, admin: Caller, kind: Kind, field: str) -> None:
    made(admin, school, kind)
    answer = admin.post(kind.below(school), kind.full)
    assert set(refused(answer, 409, "place_taken")["errors"]) == {field}
    other = document(admin.post(kind.below(school), kind.full | kind.least), 201)
    answer = admin.patch(f"{kind.name}s/{other['id']}", {field: kind.full[field]})
    assert set(refused(answer, 409, "place_taken")["errors"]) == {field}
    assert admin.read(f"{kind.name}s/{other['id']}") == other


def test_tree_contains_every_place_in_one_query(school: School, admin: Caller) -> None:
    """Whatever their number: counted for a small school and for a district."""

    principal = person_principal(admin.person.id)
    assert principal

    def places_and_queries() -> tuple[int, int]:
        with tenant_scope([school.organization]), CaptureQueriesContext(connection) as queries:
            tree = selectors.place_tree(principal=principal, organization_id=school.organization)
        return tree.count('"id"'), len(queries)

    small = places_and_queries()
    with tenant_scope([school.organization]):
        for number in range(3):
            site = services.create_site(actor=SYSTEM, organization_id=school.organization, name=f"Site {number}")
            for name in ("A", "B"):
                building = services.create_building(actor=SYSTEM, site=site, name=name)
                for level in range(3):
                    floor = services.create_floor(actor=SYSTEM, building=building, floor_number=level)
                    for room in range(4):
                        services.create_room(actor=SYSTEM, floor=floor, room_number=f"{level}{room}")
    assert small == (1 + 2 + 2 + 2, 1)
    assert places_and_queries() == (7 + 3 + 6 + 18 + 72, 1)


def test_tree_contains_the_places_in_order(school: School, admin: Caller) -> None:
    """The tree has the same fields as the lists, with floors from the lowest, and sorted names and numbers."""
    for kind in KINDS:
        made(admin, school, kind)
    document(admin.post(f"buildings/{school.building}/floors", {"floor_number": -2}), 201)
    tree = admin.read(f"organizations/{school.organization}/tree")
    assert [site["name"] for site in tree["sites"]] == ["Campus", "North"]
    campus = tree["sites"][0]
    assert campus["buildings"][0] | {"floors": None} == {
        name: admin.read(f"buildings/{campus['buildings'][0]['id']}")[name]
        for name in ("id", "name", "address", "floor_count")
    } | {"floors": None}
    assert [building["name"] for building in campus["buildings"]] == ["Annex", "Gym", "Main"]
    floors = campus["buildings"][2]["floors"]
    assert [floor["floor_number"] for floor in floors] == sorted(floor["floor_number"] for floor in floors)
    assert floors[0]["rooms"] == []
    (low,) = [floor for floor in floors if floor["id"] == str(school.floor)]
    assert [room["room_number"] for room in low["rooms"]] == sorted(room["room_number"] for room in low["rooms"])


def test_tree_of_empty_organization_is_empty(operator_of_platform: Caller) -> None:
    made = document(operator_of_platform.post("organizations", {"name": "New", "slug": f"x-{uuid4()}"}), 201)
    path = f"organizations/{made['id']}/tree"
    assert admin_of(UUID(made["id"])).read(path) == {"organization_id": made["id"], "sites": []}


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MANAGER, Role.OPERATOR])
def test_person_of_one_building_can_read_it_and_its_site(school: School, role: Role) -> None:
    """The other building is not visible in the tree, in a list, or by its id."""
    caller = narrowed(role, school, buildings=frozenset({school.building}))
    tree = caller.read(f"organizations/{school.organization}/tree")
    assert [[building["id"] for building in site["buildings"]] for site in tree["sites"]] == [[str(school.building)]]
    assert [one["id"] for one in caller.read(f"organizations/{school.organization}/sites")["results"]] == [
        str(school.site)
    ]
    assert [one["id"] for one in caller.read(f"sites/{school.site}/buildings")["results"]] == [str(school.building)]
    assert caller.read(f"sites/{school.site}")["name"] == "Campus"
    assert caller.read(f"rooms/{school.room}")["id"] == str(school.room)
    for path in (f"buildings/{school.other_building}", f"buildings/{school.other_building}/floors"):
        refused(caller.get(path), 404, "not_found")


def test_admin_of_one_building_can_change_only_that_building(school: School) -> None:
    caller = narrowed(Role.ADMIN, school, buildings=frozenset({school.building}))
    assert document(caller.patch(f"buildings/{school.building}", {"name": "Main hall"}))["name"] == "Main hall"
    assert document(caller.post(f"floors/{school.floor}/rooms", {"room_number": "9z"}), 201)
    refused(caller.patch(f"buildings/{school.other_building}", {"name": "Mine"}), 404, "not_found")
    refused(caller.patch(f"sites/{school.site}", {"name": "Mine"}), 403, "forbidden")
    refused(caller.post(f"sites/{school.site}/buildings", {"name": "Mine"}), 403, "forbidden")
    refused(caller.post(f"organizations/{school.organization}/sites", {"name": "Mine"}), 403, "forbidden")


def test_person_of_one_building_cannot_read_other_sites(school: School, admin: Caller) -> None:
    other = document(admin.post(f"organizations/{school.organization}/sites", {"name": "Far away"}), 201)
    caller = narrowed(Role.OPERATOR, school, buildings=frozenset({school.building}))
    assert "Far away" not in caller.get(f"organizations/{school.organization}/tree").content.decode()
    refused(caller.get(f"sites/{other['id']}"), 404, "not_found")


def test_deleting_a_place_deletes_the_places_below(school: School, admin: Caller) -> None:
    """The audit trail records how many rooms were deleted."""
    site = document(admin.post(f"organizations/{school.organization}/sites", {"name": "Old"}), 201)
    building = document(admin.post(f"sites/{site['id']}/buildings", {"name": "Barn"}), 201)
    floor = document(admin.post(f"buildings/{building['id']}/floors", {"floor_number": 0}), 201)
    room = document(admin.post(f"floors/{floor['id']}/rooms", {"room_number": "1"}), 201)
    assert admin.delete(f"sites/{site['id']}").status_code == 204
    for path in (f"buildings/{building['id']}", f"floors/{floor['id']}", f"rooms/{room['id']}"):
        refused(admin.get(path), 404, "not_found")
    with tenant_scope([school.organization]):
        assert (Site.objects.count(), Building.objects.count(), Floor.objects.count()) == (1, 2, 2)


def test_manager_can_read_places_and_not_change_them(school: School) -> None:
    manager = member(Role.MANAGER, school)
    for kind in KINDS:
        id_ = getattr(school, kind.name)
        assert manager.read(f"{kind.name}s/{id_}")["id"] == str(id_)
        refused(manager.post(kind.below(school), kind.least), 403, "forbidden")
        refused(manager.patch(f"{kind.name}s/{id_}", kind.least), 403, "forbidden")
        refused(manager.delete(f"{kind.name}s/{id_}"), 403, "forbidden")
