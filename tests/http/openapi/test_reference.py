"""The pages of the OpenAPI document: complete under a strict policy, without content from elsewhere."""

from collections.abc import Iterator

import pytest
from csp.utils import build_policy
from django.test import Client
from playwright.sync_api import Page, expect

from apps.accounts.models import Role
from tests.browser import chromium
from tests.kit.people import PersonFactory
from tests.kit.school import School
from tests.kit.server import Server, running_server

pytestmark = pytest.mark.slow

LOGO_OF_REDOC = "https://cdn.redoc.ly/redoc/logo-mini.svg"
"""Redoc eventually requests its vendor's logo: the policy refuses it, and no request leaves the browser."""


@pytest.fixture(scope="module")
def server(database: None) -> Iterator[Server]:
    with running_server() as running:
        yield running


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium.started() as browser:
        yield browser.new_page()


@pytest.mark.browser
@pytest.mark.parametrize("path", ["/api/v1/docs", "/api/v1/redoc"])
def test_reference_page_lists_operations_without_external_requests(server: Server, page: Page, path: str) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    page.on("requestfinished", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{server.url}{path}")
    call = page.get_by_text("Read all places of an organization", exact=True)
    expect(call.filter(visible=True).first).to_be_visible()
    complaints = [complaint for complaint in complaints if LOGO_OF_REDOC not in complaint]
    assert not complaints, "\n".join(complaints)
    elsewhere = [url for url in asked if not url.startswith((server.url, "data:", "blob:"))]
    assert elsewhere == []


@pytest.mark.parametrize("path", ["/api/v1/docs", "/api/v1/redoc", "/login/", "/api/v1/alerts", "/problems/invalid"])
def test_content_security_policy_forbids_inline_and_foreign_scripts(path: str) -> None:
    policy = directives(Client().get(path)["Content-Security-Policy"])
    assert policy.get("script-src", policy["default-src"]) == {"'self'"}
    for name in ("object-src", "base-uri", "frame-ancestors"):
        assert policy[name] == {"'none'"}, name
    assert not any("unsafe" in source or "http" in source for sources in policy.values() for source in sources)


def test_only_admin_pages_allow_unsafe_eval(school: School) -> None:
    """Inline scripts do not run there either."""
    admin = PersonFactory.create(role=Role.ADMIN, organization=school.organization).client
    strict, page = directives(build_policy()), directives(admin.get("/admin/")["Content-Security-Policy"])
    assert "script-src" not in strict
    assert page["script-src"] == {"'self'", "'unsafe-eval'"}
    assert page["style-src"] == {"'self'", "'unsafe-inline'"}
    assert {name: sources for name, sources in page.items() if name in strict} == strict


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/admin/nothing/", "/admin/accounts/"])
def test_policy_is_strict_for_admin_refusals_and_redirects(school: School, path: str) -> None:
    for client in (Client(), PersonFactory.create(role=Role.ADMIN, organization=school.organization).client):
        answer = client.get(path)
        if answer.status_code != 200:
            assert directives(answer["Content-Security-Policy"]) == directives(build_policy())


def directives(policy: str) -> dict[str, set[str]]:
    return {name: set(sources) for name, *sources in (part.split() for part in policy.split(";"))}
