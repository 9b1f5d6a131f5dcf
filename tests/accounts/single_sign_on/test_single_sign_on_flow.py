"""Single sign-on: the exchange with the provider, apps, and the providers that a school registers."""

import secrets
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.models import (
    ExternalIdentity,
    IdentityProvider,
)
from apps.common.db.scope import tenant_scope
from tests.accounts.identity_provider import CLIENT, SECRET, Issuer, running
from tests.accounts.sso_school import (
    APP,
    Entered,
    School,
    challenge_of,
    exchange_code,
    google,
    provider_body,
    through_app,
)
from tests.kit.second_factor import JSON

pytestmark = pytest.mark.slow


# --- The protocol ----------------------------------------------------------------------------------------------------


def _another_key(issuer: Issuer) -> None:
    issuer.signing_key = Issuer().signing_key


def _client_secret_as_key(issuer: Issuer) -> None:
    issuer.algorithm, issuer.signing_key = "HS256", SECRET.ljust(32, "x")
    key = urlsafe_b64encode(issuer.signing_key.encode()).rstrip(b"=").decode()
    issuer.keys = [{"kty": "oct", "kid": "key-1", "k": key, "alg": "HS256"}]


def _unsigned(issuer: Issuer) -> None:
    issuer.algorithm, issuer.signing_key = "none", None


DEFECTS: dict[str, Any] = {
    "signed with another key": _another_key,
    "signed with what the client knows": _client_secret_as_key,
    "not signed": _unsigned,
    "an unknown key": lambda issuer: issuer.headers.update(kid="key-2"),
    "another issuer in the token": lambda issuer: issuer.changed.update(iss="https://accounts.google.com"),
    "another audience": lambda issuer: issuer.changed.update(aud="another-client"),
    "several audiences": lambda issuer: issuer.changed.update(aud=[CLIENT, "another-client"]),
    "made for another client": lambda issuer: issuer.changed.update(azp="another-client"),
    "another nonce": lambda issuer: issuer.changed.update(nonce="of another sign-in"),
    "no nonce": lambda issuer: issuer.changed.update(nonce=None),
    "expired": lambda issuer: issuer.changed.update(exp=int(timezone.now().timestamp()) - 120),
    "of tomorrow": lambda issuer: issuer.changed.update(iat=int(timezone.now().timestamp()) + 86400),
    "no subject": lambda issuer: issuer.changed.update(sub=None),
    "a NUL": lambda issuer: issuer.changed.update(sub="a\x00b"),
    "no keys": lambda issuer: issuer.keys.clear(),
    "another issuer in its discovery": lambda issuer: issuer.discovery.update(issuer="https://accounts.google.com"),
    "down": lambda issuer: setattr(issuer, "down", True),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_invalid_id_token_is_refused(school: School, issuer: Issuer, defect: str) -> None:
    person = school.person()
    issuer.person = google(person.email)
    browser = Client(REMOTE_ADDR=school.address)
    begun = browser.get(f"/api/v1/auth/oidc/{school.provider}/start")
    returned = issuer.sign_in(begun["Location"])
    DEFECTS[defect](issuer)
    entered = Entered(browser, browser.get(f"/api/v1/auth/oidc/{school.provider}/callback", returned))
    assert entered.is_refused("single_sign_on_failed")
    with tenant_scope([school.id]):
        assert not ExternalIdentity.objects.exists()


def test_callback_is_accepted_once_in_the_browser_that_started(school: School, issuer: Issuer) -> None:
    """Refused in another browser, with another state, twice, at another provider, and after ten minutes."""
    issuer.person = google(school.person().email)
    browser = Client(REMOTE_ADDR=school.address)
    callback = f"/api/v1/auth/oidc/{school.provider}/callback"
    returned = issuer.sign_in(browser.get(f"/api/v1/auth/oidc/{school.provider}/start")["Location"])
    for where, query in (
        (Client(), returned),
        (browser, {**returned, "state": "guessed"}),
        (browser, {"code": returned["code"]}),
    ):
        answer = where.get(callback, query)
        assert (answer.status_code, answer.json()["code"]) == (401, "single_sign_on_failed")
    other = School(issuer, school.address)
    assert browser.get(callback.replace(str(school.provider), str(other.provider)), returned).status_code == 401
    assert Entered(browser, browser.get(callback, returned)).who is not None
    assert browser.get(callback, returned).status_code == 401


def test_cancelled_sign_in_shows_a_message(school: School, issuer: Issuer) -> None:
    browser = Client(REMOTE_ADDR=school.address)
    begun = browser.get(f"/api/v1/auth/oidc/{school.provider}/start")
    state = issuer.sign_in(begun["Location"])["state"]
    answer = browser.get(f"/api/v1/auth/oidc/{school.provider}/callback", {"error": "access_denied", "state": state})
    assert answer["Location"] == "/login/?problem=single_sign_on_failed"
    assert "did not work" in browser.get(answer["Location"]).content.decode()


def test_sign_in_redirects_only_to_this_site(school: School, issuer: Issuer) -> None:
    issuer.person = google(school.person().email)
    for target in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        assert school.enters(next=target).answer["Location"] == "/board/"
    refused = Client().get(
        f"/api/v1/auth/oidc/{school.provider}/start",
        {"redirect_uri": "https://evil.example/", "code_challenge": "x" * 43},
    )
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["redirect_uri"])


@pytest.mark.parametrize("private", [True, False])
def test_private_and_redirected_issuers_are_not_contacted(
    school: School, issuer: Issuer, settings: Settings, private: bool
) -> None:
    """A school's administrator enters the issuer: where private issuers are off, no host of this network is contacted;
    where they are on, no address that an issuer redirects to is."""
    settings.OIDC_PRIVATE_ISSUERS = private
    with running() as inside:
        if private:
            issuer.redirect_discovery_to = f"{inside.url}/.well-known/openid-configuration"
            inside.url = issuer.url
        answer = Client(REMOTE_ADDR=school.address).get(f"/api/v1/auth/oidc/{school.provider}/start")
    assert (answer.status_code, answer.json()["code"]) == (401, "single_sign_on_failed")


# --- Apps ------------------------------------------------------------------------------------------------------------


def test_app_exchanges_a_code_once_with_its_own_verifier(school: School, issuer: Issuer) -> None:
    issuer.person = google(school.person().email)
    verifier = secrets.token_urlsafe(48)
    start = {"redirect_uri": APP, "code_challenge": challenge_of(verifier)}
    stolen = school.enters(**start).query["code"]
    assert exchange_code(stolen, secrets.token_urlsafe(48)).status_code == 401
    assert exchange_code(stolen, verifier).status_code == 400, "a code that was tried with a wrong verifier is used up"
    code = school.enters(**start).query["code"]
    assert set(exchange_code(code, verifier).json()) == {"access", "refresh", "expires_in"}
    assert exchange_code(code, verifier).json()["code"] == "link_refused"


def test_app_receives_the_error_code(school: School, issuer: Issuer) -> None:
    issuer.person = google("stranger@elsewhere.example")
    entered = school.enters(redirect_uri=APP, code_challenge=challenge_of("x" * 43), state="s")
    assert entered.query == {"error": "identity_not_linked", "state": "s"}


# --- What an organization decides ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["off", "removed"])
def test_disabled_provider_ends_its_sign_ins(school: School, issuer: Issuer, ending: str) -> None:
    issuer.person = google(school.person().email)
    browser = school.enters().browser
    pair = through_app(school)
    if ending == "off":
        school.change(is_active=False)
    else:
        assert school.api.ask("DELETE", f"{school.providers}/{school.provider}").status_code == 204
    assert browser.get(f"/api/v1/organizations/{school.id}").status_code == 401
    refreshed = Client().post("/api/v1/auth/refresh", {"refresh": pair["refresh"]}, content_type=JSON)
    assert refreshed.json()["code"] == "refresh_refused"
    assert Client().get(f"/api/v1/auth/oidc/{school.provider}/start").status_code == 404
    assert Client().get("/api/v1/auth/oidc", {"domain": school.domain}).json() == {"results": []}


def test_client_secret_is_encrypted_and_not_returned(school: School) -> None:
    answer = school.api.ask("GET", f"{school.providers}/{school.provider}")
    assert SECRET not in answer.content.decode()
    with tenant_scope([school.id]):
        assert SECRET not in IdentityProvider.objects.get().sealed_secret


def test_stale_change_of_provider_is_refused(school: School) -> None:
    path = f"{school.providers}/{school.provider}"
    seen = school.api.ask("GET", path)["ETag"]
    school.change(name="Another")
    assert school.api.ask("PATCH", path, {"name": "Mine"}, **{"if-match": seen}).status_code == 412
    assert school.api.ask("PATCH", path, {"issuer": "https://evil.example"}).json()["name"] == "Another"


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "ftp://issuer.example"},
        {"issuer": "https://name:word@issuer.example"},
        {"issuer": "https://issuer.example/?tenant=1"},
        {"role_map": {"staff": "super_admin"}},
        {"default_role": "king"},
        {"client_secret": ""},
        {"unknown": 1},
    ],
    ids=str,
)
def test_invalid_provider_is_refused_by_field(school: School, changed: dict[str, object]) -> None:
    answer = school.api.ask("POST", school.providers, provider_body(school.issuer, **changed))
    assert (answer.status_code, list(answer.json()["errors"])) == (400, list(changed))


def test_issuer_is_registered_once_per_school(school: School, issuer: Issuer) -> None:
    answer = school.api.ask("POST", school.providers, provider_body(issuer))
    assert (answer.status_code, answer.json()["code"]) == (409, "issuer_taken")


def test_school_cannot_verify_its_own_domain(school: School) -> None:
    answer = school.api.ask("PUT", f"organizations/{school.id}/identity-domains/other.school.example")
    assert answer.status_code == 403
    listed = school.api.ask("GET", f"organizations/{school.id}/identity-domains").json()["results"]
    assert [one["domain"] for one in listed] == [school.domain]


def test_provider_is_found_by_the_domain_of_an_address(school: School) -> None:
    found = Client().get("/api/v1/auth/oidc", {"domain": school.domain.upper()}).json()["results"]
    assert [(one["id"], one["name"]) for one in found] == [(str(school.provider), "District")]
    assert Client().get("/api/v1/auth/oidc", {"domain": "nowhere.example"}).json() == {"results": []}
