"""Names and attributes of cookies."""

import json

import pytest
from django.conf import settings
from django.test import Client

from tests.accounts.identity_provider import Issuer
from tests.accounts.production import in_production
from tests.accounts.sso_school import School
from tests.kit.people import PASSWORD, Person

pytestmark = pytest.mark.slow

NAMES = ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "DEVICE_COOKIE_NAME", "SINGLE_SIGN_ON_COOKIE_NAME")

ATTRIBUTES = tuple(f"{kind}_COOKIE_{what}" for kind in ("SESSION", "CSRF") for what in ("SECURE", "PATH", "DOMAIN"))


def test_production_cookies_have_the_host_prefix() -> None:
    """RFC 6265bis, 4.1.3.2: browsers accept `__Host-` only with Secure, Path=/ and no Domain."""
    result = in_production(
        f"import json\nprint(json.dumps({{name: getattr(settings, name) for name in {(*NAMES, *ATTRIBUTES)}}}))"
    )
    assert result.returncode == 0, result.stderr
    production = json.loads(result.stdout)
    for name in NAMES:
        assert production[name] == f"__Host-{getattr(settings, name)}"
    assert (production["SESSION_COOKIE_SECURE"], production["CSRF_COOKIE_SECURE"]) == (True, True)
    assert (production["SESSION_COOKIE_PATH"], production["CSRF_COOKIE_PATH"]) == ("/", "/")
    assert (production["SESSION_COOKIE_DOMAIN"], production["CSRF_COOKIE_DOMAIN"]) == (None, None)


def test_cookies_have_known_names_and_are_bound_to_the_host(
    person: Person, school: School, issuer: Issuer, address: str
) -> None:
    browser = Client(REMOTE_ADDR=address)
    browser.get("/login/")
    browser.post("/login/", {"email": person.email, "password": PASSWORD})
    browser.get(f"/api/v1/auth/oidc/{school.provider}/start")
    browser.post("/board/alerts/00000000-0000-7000-8000-000000000000/acknowledge/")
    assert set(browser.cookies) == {getattr(settings, name) for name in NAMES}
    for name, cookie in browser.cookies.items():
        assert (cookie["path"], cookie["domain"]) == ("/", ""), name
        assert cookie["samesite"] in {"Lax", "Strict"}, name
        assert bool(cookie["httponly"]) is (name != settings.CSRF_COOKIE_NAME), name
