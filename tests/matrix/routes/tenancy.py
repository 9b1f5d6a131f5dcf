from collections.abc import Mapping

from tests.kit.school import device_name
from tests.matrix.entry import At, Entry
from tests.matrix.things import Things, number, word


def organization(_: Things) -> Mapping[str, object]:
    return {"name": "Lincoln High School", "slug": word()}


def named(_: Things) -> Mapping[str, object]:
    return {"name": word()}


def floor(_: Things) -> Mapping[str, object]:
    return {"floor_number": number()}


def room(_: Things) -> Mapping[str, object]:
    return {"room_number": word()}


def stale(_: Things) -> Mapping[str, str]:
    return {"if-match": '"seen long ago"'}


ORGANIZATIONS = [
    Entry(
        "GET",
        "/api/v1/organizations",
        at=At.SELF,
        kinds=frozenset({"person", "gateway", "service"}),
        rows="sister_organization",
    ),
    Entry(
        "POST",
        "/api/v1/organizations",
        "organizations:create",
        At.PLATFORM,
        ok=201,
        body=organization,
        changes="organization.created",
    ),
    Entry("GET", "/api/v1/organizations/{organization}", "organizations:read", At.TENANT),
    Entry(
        "PUT",
        "/api/v1/organizations/{organization}",
        "organizations:update",
        body=organization,
        changes="organization.updated",
    ),
    Entry(
        "PATCH",
        "/api/v1/organizations/{organization}",
        "organizations:update",
        body=named,
        changes="organization.updated",
    ),
    # The school has devices, and is neither suspended nor deleted: the platform itself gets this answer.
    Entry("DELETE", "/api/v1/organizations/{organization}", "organizations:delete", At.PLATFORM, ok=409),
    Entry("POST", "/api/v1/organizations/{organization}/resume", "organizations:delete", At.PLATFORM, ok=409),
    Entry("POST", "/api/v1/organizations/{organization}/undelete", "organizations:delete", At.PLATFORM, ok=409),
    Entry(
        "POST",
        "/api/v1/organizations/{organization}/suspend",
        "organizations:delete",
        At.PLATFORM,
        ok=412,
        body=lambda _: {"reason": "Not paid."},
        headers=stale,
    ),
    Entry(
        "DELETE",
        "/api/v1/organizations/{vacant_organization}",
        "organizations:delete",
        At.ANOTHER,
        ok=204,
        changes="organization.deleted",
    ),
    Entry(
        "POST",
        "/api/v1/organizations/{vacant_organization}/suspend",
        "organizations:delete",
        At.ANOTHER,
        body=lambda _: {"reason": "Not paid."},
        changes="organization.suspended",
    ),
    Entry(
        "POST",
        "/api/v1/organizations/{suspended_organization}/resume",
        "organizations:delete",
        At.ANOTHER,
        changes="organization.resumed",
    ),
    Entry(
        "POST",
        "/api/v1/organizations/{deleted_organization}/undelete",
        "organizations:delete",
        At.ANOTHER,
        changes="organization.undeleted",
    ),
    Entry("GET", "/api/v1/organizations/{organization}/settings", "organizations:read", At.LIST),
    Entry(
        "PATCH",
        "/api/v1/organizations/{organization}/settings",
        "organizations:update",
        body=lambda _: {"locale": "en-US"},
        changes="organization.settings_changed",
    ),
]

PLACES = [
    Entry("GET", "/api/v1/organizations/{organization}/tree", "places:read", At.LIST),
    Entry("GET", "/api/v1/organizations/{organization}/sites", "places:read", At.LIST, rows="vacant_site"),
    Entry(
        "POST",
        "/api/v1/organizations/{organization}/sites",
        "places:create",
        ok=201,
        body=named,
        changes="site.created",
    ),
    Entry("GET", "/api/v1/sites/{site}", "places:read", At.SITE),
    Entry("PUT", "/api/v1/sites/{site}", "places:update", At.SITE, body=named, changes="site.updated"),
    Entry("PATCH", "/api/v1/sites/{site}", "places:update", At.SITE, body=named, changes="site.updated"),
    Entry("DELETE", "/api/v1/sites/{site}", "places:delete", At.SITE, ok=409),
    Entry("DELETE", "/api/v1/sites/{vacant_site}", "places:delete", At.ELSEWHERE, ok=204, changes="site.deleted"),
    Entry("GET", "/api/v1/sites/{site}/buildings", "places:read", At.SITE, rows="vacant_building"),
    Entry(
        "POST",
        "/api/v1/sites/{site}/buildings",
        "places:create",
        At.SITE,
        ok=201,
        body=named,
        changes="building.created",
    ),
    Entry("GET", "/api/v1/buildings/{building}", "places:read", At.BUILDING),
    Entry("PUT", "/api/v1/buildings/{building}", "places:update", At.BUILDING, body=named, changes="building.updated"),
    Entry(
        "PATCH", "/api/v1/buildings/{building}", "places:update", At.BUILDING, body=named, changes="building.updated"
    ),
    Entry("DELETE", "/api/v1/buildings/{building}", "places:delete", At.BUILDING, ok=409),
    Entry(
        "DELETE",
        "/api/v1/buildings/{vacant_building}",
        "places:delete",
        At.ELSEWHERE,
        ok=204,
        changes="building.deleted",
    ),
    Entry("GET", "/api/v1/buildings/{building}/floors", "places:read", At.BUILDING, rows="vacant_floor"),
    Entry(
        "POST",
        "/api/v1/buildings/{building}/floors",
        "places:create",
        At.BUILDING,
        ok=201,
        body=floor,
        changes="floor.created",
    ),
    Entry("GET", "/api/v1/floors/{floor}", "places:read", At.BUILDING),
    Entry("PUT", "/api/v1/floors/{floor}", "places:update", At.BUILDING, body=floor, changes="floor.updated"),
    Entry(
        "PATCH",
        "/api/v1/floors/{floor}",
        "places:update",
        At.BUILDING,
        body=lambda _: {"name": "Ground floor"},
        changes="floor.updated",
    ),
    Entry("DELETE", "/api/v1/floors/{floor}", "places:delete", At.BUILDING, ok=409),
    Entry("DELETE", "/api/v1/floors/{vacant_floor}", "places:delete", At.BUILDING, ok=204, changes="floor.deleted"),
    Entry("GET", "/api/v1/floors/{floor}/rooms", "places:read", At.BUILDING, rows="vacant_room"),
    Entry(
        "POST",
        "/api/v1/floors/{floor}/rooms",
        "places:create",
        At.BUILDING,
        ok=201,
        body=room,
        changes="room.created",
    ),
    Entry("GET", "/api/v1/rooms/{room}", "places:read", At.BUILDING),
    Entry("PUT", "/api/v1/rooms/{room}", "places:update", At.BUILDING, body=room, changes="room.updated"),
    Entry(
        "PATCH",
        "/api/v1/rooms/{room}",
        "places:update",
        At.BUILDING,
        body=lambda _: {"capacity": 30},
        changes="room.updated",
    ),
    Entry("DELETE", "/api/v1/rooms/{room}", "places:delete", At.BUILDING, ok=409),
    Entry("DELETE", "/api/v1/rooms/{vacant_room}", "places:delete", At.BUILDING, ok=204, changes="room.deleted"),
]

TABLES = [
    Entry(
        "POST",
        "/api/v1/organizations/{organization}/imports/places",
        "places:create",
        body=lambda _: f"site,building\n{word()},Main\n",
        content_type="text/csv",
        changes="places.imported",
    ),
    Entry("GET", "/api/v1/organizations/{organization}/exports/places", "exports:read"),
    Entry(
        "POST",
        "/api/v1/organizations/{organization}/imports/people",
        "people:create",
        body=lambda _: f"email,role\n{word()}@school.example,operator\n",
        content_type="text/csv",
        changes=("invitation.created", "people.imported"),
    ),
    Entry("GET", "/api/v1/organizations/{organization}/exports/people", "exports:read"),
    Entry(
        "POST",
        "/api/v1/organizations/{organization}/imports/devices",
        "devices:create",
        body=lambda _: f"device_id\n{device_name()}\n",
        content_type="text/csv",
        changes="devices.imported",
    ),
    Entry("GET", "/api/v1/organizations/{organization}/exports/devices", "exports:read"),
]

ENTRIES = [*ORGANIZATIONS, *PLACES, *TABLES]
