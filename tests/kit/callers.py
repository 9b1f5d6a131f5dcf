"""Callers in these tests, and how to read their responses."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.test import Client

from apps.accounts.models import Role
from tests.kit.people import Person, PersonFactory
from tests.kit.school import School

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Answer

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Caller:
    """A person who calls the API below /api/v1."""

    person: Person

    @property
    def client(self) -> Client:
        return self.person.client

    def get(self, path: str, **query: str) -> "Answer":
        return self.client.get(f"/api/v1/{path}", query)

    def post(self, path: str, body: object = None, **headers: str) -> "Answer":
        return self._send("post", path, body, headers)

    def put(self, path: str, body: object = None, **headers: str) -> "Answer":
        return self._send("put", path, body, headers)

    def patch(self, path: str, body: object = None, **headers: str) -> "Answer":
        return self._send("patch", path, body, headers)

    def delete(self, path: str, **headers: str) -> "Answer":
        return self._send("delete", path, None, headers)

    def read(self, path: str, **query: str) -> JsonObject:
        """The JSON object in the response to a GET."""
        return document(self.get(path, **query))

    def pages(self, path: str, limit: int, **query: str) -> Iterator[list[JsonObject]]:
        """Each page of a list, from the first to the last."""
        page = self.read(path, limit=str(limit), **query)
        yield page["results"]
        while page["next"]:
            page = document(self.client.get(page["next"]))
            yield page["results"]

    def _send(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> "Answer":
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = getattr(self.client, method)
        answer: Answer = request(f"/api/v1/{path}", body, content_type="application/json", headers=named)
        return answer


def send(client: Client, method: str, path: str, body: object = None, **headers: str) -> Any:
    """Send a request with a JSON body to a path below /api/v1."""
    text = "" if body is None else json.dumps(body)
    return client.generic(method, f"/api/v1/{path}", text, content_type="application/json", headers=headers)


def document(answer: "Answer", status: int = HTTPStatus.OK) -> JsonObject:
    """The JSON object of a response with this status."""
    assert answer.status_code == status, answer.content
    body: JsonObject = answer.json()
    return body


def admin_of(*organizations: UUID) -> Caller:
    return Caller(PersonFactory.create(role=Role.ADMIN, organizations=organizations))


def member(role: Role, school: School) -> Caller:
    return Caller(PersonFactory.create(role=role, organization=school.organization))


def super_admin() -> Caller:
    return Caller(PersonFactory.create(is_super_admin=True))


def narrowed(role: Role, school: School, *, buildings: frozenset[UUID]) -> Caller:
    """A person whose role applies in these buildings only."""
    return Caller(PersonFactory.create(role=role, organization=school.organization, buildings=buildings))
