"""No path, cookie, header, number or time that a client sends causes a server error.

Every route of the resolver is included automatically, with boundary values in place of those that its entry in
`tests/matrix` names, and with every query parameter of the OpenAPI document.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from apps.accounts.identity.keys import tokens
from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.models import Role, User
from apps.common.access import SYSTEM, PrincipalKind
from apps.common.db.scope import tenant_scope
from apps.common.times import from_unix
from apps.devices import services as devices
from tests.http.document import document
from tests.kit.people import PASSWORD, AccountFactory, Person, PersonFactory
from tests.kit.routes import Route, found_routes
from tests.kit.school import School, SchoolFactory

pytestmark = pytest.mark.slow

PARAMETER: Final = re.compile(r"<(?:(\w+):)?(\w+)>")
OK_BELOW: Final = 500


def uuid7_at(milliseconds: int) -> str:
    """Return a UUIDv7 of this time (RFC 9562, 5.7)."""
    return str(UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | 1))


LATEST: Final = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * 1000
UUIDS: Final = [
    str(UUID(int=0)),
    str(UUID(int=2**128 - 1)),
    *(uuid7_at(at) for at in (0, 1, LATEST - 86_400_000, LATEST, LATEST + 86_400_000, 2**48 - 1)),
]
NUMBERS: Final = ["0", "2147483648", "9223372036854775808", "9" * 400, "-1", "1e400", "nan", "\u0663"]
TEXTS: Final = ["x", "\x7f", "\u202e", "\U0001f514", "\ud7ff", "a" * 900, "..", "%", "'\"<>", "\r\nX: y", "=1+1"]
TIMES: Final = ["9999-12-31T23:59:59.999999-23:59", "0001-01-01T00:00:00+23:59", "10000-01-01T00:00:00Z", "2026-02-30"]
TYPED: Final = [*UUIDS, *NUMBERS, *TEXTS, *TIMES]
OF_CONVERTER: Final = {"uuid": UUIDS, "int": NUMBERS[:4]}

ROUTES: Final = found_routes()
READ: Final = [route for route in ROUTES if "GET" in (route.methods or {"GET"})]
QUERIES: Final = sorted(
    {
        parameter["name"]
        for operations in document()["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
        if parameter.get("in") == "query"
    }
    | {"next", "organization", "q", "p", "o", "e", "page", "at__gte", "at__lte", "id__exact", "status__exact"}
)


@pytest.fixture(scope="module")
def school(database: None) -> School:
    return SchoolFactory.create()


@pytest.fixture(scope="module")
def callers(school: School) -> list[Client]:
    admin, operator = (
        PersonFactory.create(role=Role.ADMIN, organization=school.organization),
        PersonFactory.create(role=Role.ADMIN),
    )
    User.objects.filter(pk=operator.id).update(is_super_admin=True)
    return [admin.client, operator.client]


def named(path: str, school: School, replaced: str, value: str) -> str:
    """Return the route's path with one parameter replaced by the value, and existing ids for the others."""
    known = {"organization_id": school.organization, "site_id": school.site, "building_id": school.building}

    def word(match: re.Match[str]) -> str:
        converter, name = match.groups()
        if name == replaced:
            return quote(value, safe="")
        return str(known.get(name, UUIDS[1] if converter == "uuid" else "1" if converter == "int" else "x"))

    return PARAMETER.sub(word, path)


def harmless(client: Client, method: str, path: str, **more: Any) -> None:
    answer = client.generic(method, path, content_type="application/json", **more)
    assert answer.status_code < OK_BELOW, (method, path, answer.status_code)


@pytest.mark.parametrize("route", [route for route in ROUTES if "<" in route.path], ids=lambda route: route.path)
def test_boundary_values_in_paths_cause_no_server_error(route: Route, school: School, callers: list[Client]) -> None:
    for converter, name in PARAMETER.findall(route.path):
        for number, value in enumerate(OF_CONVERTER.get(converter, TYPED)):
            client = callers[number % len(callers)]
            for method in sorted(route.methods or {"GET", "POST"}):
                harmless(client, method, named(route.path, school, name, value), data="{}" if method != "GET" else "")


@pytest.mark.parametrize("route", READ, ids=lambda route: route.path)
def test_boundary_values_in_queries_cause_no_server_error(route: Route, school: School, callers: list[Client]) -> None:
    """All with the same kind of value at once, and then each alone if the request was refused as a whole."""
    here = named(route.path, school, "", "")
    for value in (UUIDS[1], NUMBERS[2], TEXTS[2], TIMES[0]):
        for query in (QUERIES, [name for name in QUERIES if name not in {"cursor", "limit", "organization"}]):
            harmless(callers[0], "GET", f"{here}?{'&'.join(f'{name}={quote(value)}' for name in query)}")


@pytest.mark.parametrize("value", [*TEXTS[:5], *TEXTS[6:], "%00", "\x00", "gAAAAA==", "x" * 4000])
def test_arbitrary_cookies_and_headers_cause_no_server_error(school: School, callers: list[Client], value: str) -> None:
    value = value.encode().decode("latin-1").replace("\r\n", "")
    cookies = "; ".join(
        f"{name}={value}"
        for name in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, "single_sign_on", "device", "messages")
    )
    headers = {"cookie": cookies, "if-match": value, "x-confirmation": value, "idempotency-key": value}
    provider = f"/api/v1/auth/oidc/{UUIDS[1]}/callback?state={quote(value)}"
    for path in ("/login/", "/board/", "/join/", "/admin/", "/api/v1/me", "/api/v1/me/mfa/totp", provider):
        harmless(Client(), "GET", path, headers=headers)
        harmless(callers[0], "POST", path, headers=headers, data="{}")
        harmless(Client(), "GET", path, headers={"authorization": f"Bearer {value}"})


# --- Redirects after sign-in -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(database: None) -> Client:
    """A browser that is signed in."""
    person, client = AccountFactory.create(), Client()
    client.post("/login/", {"email": person.email, "password": PASSWORD})
    return client


PAGES: Final = st.text(max_size=60) | st.sampled_from(
    [
        "foo",
        "login",
        "board/",
        "..",
        "?x",
        "#",
        ".",
        "[",
        "//[",
        "/[",
        "/\\evil.example",
        "/\t/evil.example",
        "/" * 5000,
    ]
)


@hypothesis(deadline=None, max_examples=200)
@given(PAGES)
def test_sign_in_redirects_only_to_own_pages(browser: Client, page: str) -> None:
    answer = browser.get("/login/", {"next": page})
    assert answer.status_code in {302, 400}
    if answer.status_code == 302:
        assert re.match(r"/(?![/\\])", answer["Location"])
    assert browser.post("/login/", {"next": page, "email": "x", "password": "x"}).status_code in {200, 400, 429}


# --- Signed values ---------------------------------------------------------------------------------------------------

SECONDS: Final = st.sampled_from([0, -1, -(10**18), 2**31, 2**53, 253_402_300_799, 253_402_300_800, 10**18, 10**400])
"""Around 1970, at the end of the calendar, and far beyond it."""


@given(SECONDS | st.integers() | st.floats())
def test_seconds_convert_to_a_time_within_the_calendar_or_none(seconds: float) -> None:
    at = from_unix(seconds=seconds)
    if at is not None:
        assert datetime.min.replace(tzinfo=at.tzinfo) + timedelta(days=1) <= at
        assert at <= datetime.max.replace(tzinfo=at.tzinfo) - timedelta(days=1)


@pytest.fixture(scope="module")
def signed_in(school: School) -> Person:
    return PersonFactory.create(role=Role.ADMIN, organization=school.organization)


@hypothesis(deadline=None, max_examples=30)
@given(SECONDS)
def test_token_with_a_boundary_expiry_causes_no_server_error(signed_in: Person, seconds: int) -> None:
    begun = sign_in.begin(user=User.objects.get(pk=signed_in.id), now=timezone.now())
    claims = tokens.verify(begun.access)
    token = tokens.mint(
        kind=PrincipalKind.PERSON,
        subject=claims.sub,
        claims={"sid": str(claims.sid), "email": "x", "organizations": []},
        lifetime=timedelta(days=min(max(seconds // 86_400, -900_000), 2_900_000)),
    )
    harmless(Client(), "GET", "/api/v1/me", headers={"authorization": f"Bearer {token}"})


@pytest.fixture(scope="module")
def gateway_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def gateway(school: School, gateway_key: ec.EllipticCurvePrivateKey) -> Iterator[UUID]:
    pem = gateway_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with tenant_scope([school.organization]):
        made = devices.register_gateway(
            actor=SYSTEM, organization_id=school.organization, name="Edge", public_key=pem, buildings=[school.building]
        )
    yield made


@hypothesis(deadline=None, max_examples=60)
@given(SECONDS, st.integers(-1, 61))
def test_assertion_with_a_boundary_issue_time_is_refused(
    gateway: UUID, gateway_key: ec.EllipticCurvePrivateKey, issued: int, lifetime: int
) -> None:
    claims = {
        "iss": str(gateway), "sub": str(gateway), "aud": f"{settings.BASE_URL}/api/v1/oauth/token",
        "iat": issued, "exp": issued + lifetime, "jti": "an-edge-of-the-calendar",
    }  # fmt: skip
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(claims, gateway_key, algorithm="ES256"),
    }
    assert Client().post("/api/v1/oauth/token", form).status_code == 401
