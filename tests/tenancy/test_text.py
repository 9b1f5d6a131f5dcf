"""Normal form of all text input: names that look the same are equal, and nothing is invisible."""

import unicodedata
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.serializers import DateTimeField, ModelSerializer

from apps.accounts.models import User
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.common.http.serializers import StrictSerializer, ZonedDateTimeField
from apps.common.text import multiple_lines, single_line
from apps.tenancy.models import Site
from tests.kit.callers import Caller, document
from tests.kit.refusals import refused
from tests.kit.school import School
from tests.kit.tables import counts, faults, sent

pytestmark = pytest.mark.slow

INVISIBLE = ["\u200b", "\u2060\ufeff", "\u3164", "\U000e0041", "\u00a0", "\u2800", "\u200c\u200d", "\u0301"]
DISRUPTIVE = ["A\x07\x1b[31mB", "Main\u202egnidliub", "Main\u2067x", "a\x7fb", "a\U000e0041b"]
SAME = [("Café", "Cafe\u0301"), ("Main Hall", "Main\u00a0Hall"), ("Main Hall", " Main  Hall\t"), ("Gym", "G\u200bym")]


@pytest.mark.parametrize("name", [*INVISIBLE, *DISRUPTIVE])
def test_invisible_or_disruptive_name_is_refused(school: School, admin: Caller, name: str) -> None:
    """In JSON, in an imported table, and in a person's own name."""
    path = f"organizations/{school.organization}"
    assert set(refused(admin.post(f"{path}/sites", {"name": name}), 400, "invalid")["errors"]) == {"name"}
    assert set(refused(admin.patch("me", {"first_name": name}), 400, "invalid")["errors"]) == {"first_name"}
    table = f'site,building\nCampus,"{name}"\n'
    if name.strip():
        assert faults(sent(admin, f"{path}/imports/places", table)) == [(2, "building")]


@pytest.mark.parametrize(("name", "other"), SAME)
def test_names_that_look_the_same_refer_to_one_place(school: School, admin: Caller, name: str, other: str) -> None:
    path = f"organizations/{school.organization}/imports/places"
    table = f'site,building,floor_number\nNorth,"{name}",0\nNorth,"{other}",1\n'
    assert counts(sent(admin, path, table)) == (4, 0, 0)


@pytest.mark.parametrize(("name", "other"), SAME)
def test_name_is_returned_in_its_normal_form(school: School, admin: Caller, name: str, other: str) -> None:
    path = f"organizations/{school.organization}/sites"
    assert document(admin.post(path, {"name": other}), 201)["name"] == name


def test_address_keeps_its_line_breaks(school: School, admin: Caller) -> None:
    path = f"organizations/{school.organization}/sites"
    body = {"name": "North", "address": "12 Elm Street\r\nChicago  IL"}
    assert document(admin.post(path, body), 201)["address"] == "12 Elm Street\nChicago IL"


@given(st.text(max_size=60))
def test_normal_form_is_stable_and_never_invisible(text: str) -> None:
    for normalize in (single_line, multiple_lines):
        try:
            normal = normalize(text)
        except ValueError:
            continue
        assert normalize(normal) == normal
        assert normal == normal.strip()
        assert unicodedata.is_normalized("NFC", normal)
        assert all(unicodedata.category(one) not in {"Cc", "Zl", "Zp"} or one == "\n" for one in normal)


def test_admin_page_stores_the_normal_form(school: School, admin: Caller) -> None:
    form = {"organization": str(school.organization), "name": "Cafe\u0301", "timezone": "UTC"}
    browser = Client()
    browser.force_login(User.objects.get(pk=admin.person.id))
    browser.post("/admin/tenancy/site/add/", form)
    with tenant_scope([school.organization]):
        assert Site.objects.filter(name="Café").exists()


def test_internationalized_address_and_its_ascii_form_are_one_mailbox(school: School, admin: Caller) -> None:
    path, name = f"organizations/{school.organization}/invitations", new_id().hex
    document(admin.post(path, {"email": f"{name}@schüle.example", "role": "viewer"}), 201)
    again = admin.post(path, {"email": f"{name}@xn--schle-mva.example", "role": "viewer"})
    assert again.status_code == 409
    table = f"email,role\n{name}@schüle.example,viewer\n"
    assert counts(sent(admin, f"organizations/{school.organization}/imports/people", table)) == (0, 0, 1)


@pytest.mark.parametrize("moment", ["{:%Y-%m-%dT%H:%M:%S}", "{:%Y-%m-%d}"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("day-accounts", {"first_name": "Sam", "last_name": "Lee"}),
        ("invitations", {"email": "sam@school.example", "role": "viewer"}),
    ],
)
def test_time_without_a_zone_is_refused_by_name(
    school: School, admin: Caller, path: str, body: dict[str, str], moment: str
) -> None:
    expires_at = moment.format(timezone.now() + timedelta(hours=20))
    answer = admin.post(f"organizations/{school.organization}/{path}", body | {"expires_at": expires_at})
    assert set(refused(answer, 400, "invalid")["errors"]) == {"expires_at"}


def test_every_writable_time_field_requires_a_zone() -> None:
    """Each serializer of a request body, wherever it is declared."""
    writable = {
        f"{serializer.__module__}.{serializer.__name__}.{name}"
        for serializer in _all_subclasses(StrictSerializer)
        if hasattr(serializer, "Meta") or not issubclass(serializer, ModelSerializer)  # else it is a base
        for name, field in serializer().fields.items()
        if isinstance(field, DateTimeField) and not field.read_only and not isinstance(field, ZonedDateTimeField)
    }
    assert writable == set()


def test_coordinates_of_a_phone_are_rounded(school: School, admin: Caller) -> None:
    path = f"organizations/{school.organization}/sites"
    site = document(
        admin.post(path, {"name": "Geo", "latitude": 41.87811359999999, "longitude": -87.62979819999999}), 201
    )
    assert (site["latitude"], site["longitude"]) == (41.8781136, -87.6297982)


def _all_subclasses(kind: type[StrictSerializer]) -> Iterator[type[StrictSerializer]]:
    for one in kind.__subclasses__():
        yield one
        yield from _all_subclasses(one)
