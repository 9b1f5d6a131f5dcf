"""What browsers are given to keep, and how long it counts."""

import json

import pytest
from django.conf import settings
from django.test import Client

from tests.accounts.identity_provider import Issuer
from tests.accounts.people import PASSWORD, Person
from tests.accounts.sso_school import School
from tests.deploy.production import in_production

pytestmark = pytest.mark.slow

NAMES = ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "DEVICE_COOKIE_NAME", "SINGLE_SIGN_ON_COOKIE_NAME")

ATTRIBUTES = tuple(f"{kind}_COOKIE_{what}" for kind in ("SESSION", "CSRF") for what in ("SECURE", "PATH", "DOMAIN"))


def test_cookies_of_production_belong_to_this_host_alone() -> None:
    """RFC 6265bis, 4.1.3.2: a browser takes `__Host-` only with Secure, for the whole host, and without Domain."""
    told = in_production(
        f"import json\nprint(json.dumps({{name: getattr(settings, name) for name in {(*NAMES, *ATTRIBUTES)}}}))"
    )
    assert told.returncode == 0, told.stderr
    production = json.loads(told.stdout)
    for name in NAMES:
        assert production[name] == f"__Host-{getattr(settings, name)}"
    assert (production["SESSION_COOKIE_SECURE"], production["CSRF_COOKIE_SECURE"]) == (True, True)
    assert (production["SESSION_COOKIE_PATH"], production["CSRF_COOKIE_PATH"]) == ("/", "/")
    assert (production["SESSION_COOKIE_DOMAIN"], production["CSRF_COOKIE_DOMAIN"]) == (None, None)


def test_every_cookie_that_is_set_is_one_of_those_and_bound_to_the_whole_host(
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
