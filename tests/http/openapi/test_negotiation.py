"""Content negotiation: each media type that the OpenAPI document names for an endpoint is acceptable."""

from collections.abc import Iterator

import pytest

from apps.accounts.models import Role
from tests.http.document import document
from tests.kit.people import PersonFactory
from tests.kit.school import School

pytestmark = pytest.mark.slow


def answers() -> Iterator[tuple[str, str]]:
    for path, operations in document()["paths"].items():
        responses = operations.get("get", {}).get("responses", {})
        for status in ("200", "302"):
            for media_type in responses.get(status, {}).get("content", {}):
                yield path, media_type


def test_every_documented_media_type_is_acceptable(school: School) -> None:
    """Also if the resource is missing or not visible to the caller: refusals are problem details either way."""
    client = PersonFactory.create(role=Role.ADMIN, organization=school.organization).client
    refused = []
    for path, media_type in answers():
        address = path
        for name in path.split("{")[1:]:
            address = address.replace(f"{{{name.partition('}')[0]}}}", str(school.organization))
        if client.get(address, headers={"accept": media_type}).status_code == 406:
            refused.append((path, media_type))
    assert refused == []


@pytest.mark.parametrize("accept", ["text/csv", "application/json", "*/*"])
def test_export_is_csv_and_its_refusal_a_problem_for_any_accept_header(school: School, accept: str) -> None:
    path = f"/api/v1/organizations/{school.organization}/exports/places"
    answer = PersonFactory.create(role=Role.ADMIN, organization=school.organization).client.get(
        path, headers={"accept": accept}
    )
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    refusal = PersonFactory.create(role=Role.OPERATOR, organization=school.organization).client.get(
        path, headers={"accept": accept}
    )
    assert (refusal.status_code, refusal["Content-Type"]) == (403, "application/problem+json")


def test_export_for_excel_begins_with_a_byte_order_mark(school: School) -> None:
    client = PersonFactory.create(role=Role.ADMIN, organization=school.organization).client
    path = f"/api/v1/organizations/{school.organization}/exports/places"
    assert b"".join(client.get(f"{path}?excel=true")).startswith(b'\xef\xbb\xbf"site"')
    assert b"".join(client.get(path)).startswith(b'"site"')
    assert client.get(f"{path}?excel=perhaps").status_code == 400


@pytest.mark.parametrize("media_type", ["text/csv", "application/vnd.ms-excel", "text/tab-separated-values"])
def test_browser_media_types_for_csv_are_accepted(school: School, media_type: str) -> None:
    client = PersonFactory.create(role=Role.ADMIN, organization=school.organization).client
    path = f"/api/v1/organizations/{school.organization}/imports/places?dry_run=true"
    assert client.post(path, b"site\tbuilding\nNorth\tGym\n", content_type=media_type).status_code == 200
