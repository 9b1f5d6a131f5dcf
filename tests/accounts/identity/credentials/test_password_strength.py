"""Easily guessed passwords are refused wherever a password is set."""

from typing import Final

import pytest
from django.contrib.auth.password_validation import CommonPasswordValidator, validate_password
from django.core.exceptions import ValidationError
from hypothesis import example, given
from hypothesis import strategies as st

from apps.accounts.identity.credentials.password_strength import GuessableValidator
from apps.accounts.models import User
from tests.accounts.callers import app_of
from tests.kit.callers import send
from tests.kit.people import PASSWORD, Person
from tests.kit.refusals import problem

pytestmark = pytest.mark.slow

LONG_ENOUGH: Final = 12
TESS: Final = User(email="tess.bloom@lincoln.example", first_name="Tess", last_name="Bloom")


def is_refused(password: str, user: User | None = None) -> bool:
    try:
        validate_password(password, user)
    except ValidationError:
        return True
    return False


def test_common_passwords_are_refused() -> None:
    common = [one for one in CommonPasswordValidator().passwords if len(one) >= LONG_ENOUGH]
    assert len(common) > 100
    assert [one for one in common if not is_refused(one)] == []
    assert [one for one in common if not is_refused(one.title())] == []


@pytest.mark.parametrize(
    "password",
    [
        "Password2026!",
        "qwertyuiop1234",
        "aaaaaaaaaaaaaaaa",
        "lincoln-lincoln-lincoln",
        "abcdefghijklmnop",
        "1234567890123456",
        "lincoln.example1",
        "safesignal2026",
        "SafeSignalSafeSignal",
    ],
)
def test_easily_guessed_password_is_refused(password: str) -> None:
    assert is_refused(password, TESS)


@pytest.mark.parametrize(
    "password", [PASSWORD, "another horse battery staple", "x7#kq0-vmm2!aP", "小学校の鐘が三度鳴った朝"]
)
def test_password_that_is_hard_to_guess_is_accepted(password: str) -> None:
    assert not is_refused(password, TESS)


def test_refusal_of_weak_password_gives_the_reason(person: Person, address: str) -> None:
    body = {"current_password": PASSWORD, "password": "Password2026!"}
    refused = send(app_of(person, address), "POST", "me/password", body)
    assert problem(refused) == (400, "invalid")
    assert any("easy to guess" in reason for reason in refused.json()["errors"]["password"])


def test_very_long_passwords_are_validated() -> None:
    GuessableValidator().validate("x7#kq0-vmm2!aP" * 500)
    with pytest.raises(ValidationError):
        GuessableValidator().validate("a" * 4000)


@given(st.text(max_size=60))
@example("")
@example("\x00")
def test_any_text_is_accepted_or_refused_without_error(password: str) -> None:
    """The library that estimates the strength does not accept an empty password."""
    assert isinstance(is_refused(password, TESS), bool)
    assert not (password == "" and not is_refused(password))
