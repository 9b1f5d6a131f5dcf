"""Callers in these tests, and how to read their responses."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.test import Client

from apps.accounts.models import MembershipScope, Role, User
from apps.accounts.people import memberships
from apps.accounts.people.memberships import RoleAt
from apps.common.access import SYSTEM
from apps.common.db.scope import system_scope, tenant_scope
from apps.common.models import AuditEntry
from tests.kit.people import Person, PersonFactory
from tests.kit.school import School

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Answer

PROBLEM = "application/problem+json"
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
        send = getattr(self.client, method)
        answer: Answer = send(f"/api/v1/{path}", body, content_type="application/json", headers=named)
        return answer


def document(answer: "Answer", status: int = HTTPStatus.OK) -> JsonObject:
    """The JSON object of a response with this status."""
    assert answer.status_code == status, answer.content
    body: JsonObject = answer.json()
    return body


def refused(answer: "Answer", status: int, code: str) -> JsonObject:
    """The problem of a refusal with this code."""
    assert answer["Content-Type"] == PROBLEM, answer.content
    body = document(answer, status)
    assert body["code"] == code, body
    return body


def admin_of(*organizations: UUID) -> Caller:
    return Caller(PersonFactory.create(role=Role.ADMIN, organizations=organizations))


def member(role: Role, school: School) -> Caller:
    return Caller(PersonFactory.create(role=role, organization=school.organization))


def super_admin() -> Caller:
    person = PersonFactory.create(role=Role.ADMIN)
    User.objects.filter(pk=person.id).update(is_super_admin=True)
    return Caller(person)


def narrowed(role: Role, school: School, *, buildings: frozenset[UUID]) -> Caller:
    """A person whose role applies in these buildings only."""
    held = RoleAt(role, MembershipScope.PLACES, buildings=buildings)
    caller = Caller(PersonFactory.create(role=role))
    with tenant_scope([school.organization]):
        membership = memberships.add_membership(
            actor=SYSTEM,
            user=User.objects.get(pk=caller.person.id),
            organization_id=school.organization,
            role=role,
            scope=MembershipScope.PLACES,
        )
        memberships.grant_places(membership, held)
    return caller


def trail(organization: UUID) -> list[str]:
    """The actions of changes in an organization, oldest first."""
    with system_scope():
        entries = AuditEntry.objects.filter(organization_id=organization, outcome="done").order_by("at", "id")
        return list(entries.values_list("action", flat=True))
