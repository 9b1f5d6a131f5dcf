"""A school with its own identity provider, and people who sign in with it."""

import json
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from django.test import Client
from django.utils import timezone

from apps.accounts.models import Role, User
from apps.accounts.single_sign_on import providers
from apps.common.access import Grant, Principal, PrincipalKind
from apps.common.db.scope import tenant_scope
from tests.accounts.identity_provider import CLIENT, SECRET, Issuer
from tests.kit.people import AccountFactory, Person
from tests.kit.second_factor import JSON, Api

APP = "safesignal://signed-in"


def visiting_operator(person: UUID, organization: UUID) -> Principal:
    """A platform operator during a visit."""
    grant = Grant(organization, "super_admin", frozenset({("people", "update")}))
    return Principal(PrincipalKind.PERSON, person, "", grants={organization: grant}, is_super_admin=True)


@dataclass
class School:
    """A school with a verified domain and an active identity provider."""

    issuer: Issuer
    address: str
    admin: Person = field(default_factory=lambda: AccountFactory.create(role=Role.ADMIN))
    domain: str = field(default_factory=lambda: f"{secrets.token_hex(6)}.school.example")
    provider: UUID = field(init=False)

    def __post_init__(self) -> None:
        operator = visiting_operator(self.admin.id, self.id)
        with tenant_scope([self.id]):
            providers.verify_domain(actor=operator, organization_id=self.id, domain=self.domain, now=timezone.now())
        created = self.api.ask("POST", self.providers, provider_body(self.issuer))
        assert created.status_code == 201, created.content
        self.provider = UUID(created.json()["id"])

    @property
    def id(self) -> UUID:
        return self.admin.organization

    @property
    def api(self) -> Api:
        return Api(self.admin, self.address)

    @property
    def providers(self) -> str:
        return f"organizations/{self.id}/identity-providers"

    def change(self, **changes: object) -> None:
        changed = self.api.ask("PATCH", f"{self.providers}/{self.provider}", changes)
        assert changed.status_code == 200, changed.content

    def person(self, role: Role = Role.OPERATOR) -> Person:
        """A member, with an address in the school's domain."""
        person = AccountFactory.create(role=role, organization=self.id)
        User.objects.filter(pk=person.id).update(email=f"{secrets.token_hex(4)}@{self.domain}")
        person.user.refresh_from_db()
        return person

    def enters(self, browser: Client | None = None, /, **start: str) -> "Entered":
        """Sign in at the issuer as `issuer.person`."""
        browser = browser or Client(REMOTE_ADDR=self.address)
        begun = browser.get(f"/api/v1/auth/oidc/{self.provider}/start", start)
        assert begun.status_code == 302, begun.content
        returned = self.issuer.sign_in(begun["Location"])
        return Entered(browser, browser.get(f"/api/v1/auth/oidc/{self.provider}/callback", returned))


@dataclass
class Entered:
    """The result of a sign-in."""

    browser: Client
    answer: Any

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.answer["Location"]).query).items()}

    @property
    def who(self) -> UUID | None:
        """The person whose session the browser has."""
        user = self.browser.session.get("_auth_user_id")
        return UUID(user) if user else None

    def is_refused(self, code: str) -> bool:
        location = self.answer.get("Location", "")
        return self.who is None and location == f"/login/?problem={code}"


def provider_body(issuer: Issuer, /, **changed: object) -> dict[str, object]:
    return {"name": "District", "issuer": issuer.url, "client_id": CLIENT, "client_secret": SECRET} | changed


def google(email: str, subject: str = "", **more: object) -> dict[str, Any]:
    """Claims as Google sends them for an account of a school."""
    domain = email.partition("@")[2]
    return {"sub": subject or secrets.token_hex(8), "email": email, "email_verified": True, "hd": domain} | more


def microsoft(email: str, **more: object) -> dict[str, Any]:
    """Claims as Microsoft sends them: no `email_verified`, but `xms_edov` where the directory adds it."""
    return {
        "sub": secrets.token_hex(8), "oid": secrets.token_hex(8), "tid": "11111111-2222-3333-4444-555555555555",
        "email": email, "preferred_username": email, "xms_edov": True,
    } | more  # fmt: skip


def challenge_of(verifier: str) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def through_app(school: School) -> dict[str, str]:
    verifier = secrets.token_urlsafe(48)
    entered = school.enters(redirect_uri=APP, code_challenge=challenge_of(verifier), state="the app's own")
    assert entered.answer["Location"].startswith(f"{APP}?"), entered.answer["Location"]
    assert entered.query["state"] == "the app's own"
    assert entered.who is None
    answer = exchange_code(entered.query["code"], verifier)
    assert answer.status_code == 200, answer.content
    pair: dict[str, str] = answer.json()
    return pair


def exchange_code(code: str, verifier: str) -> Any:
    body = json.dumps({"code": code, "code_verifier": verifier})
    return Client().post("/api/v1/auth/oidc/token", body, content_type=JSON)
