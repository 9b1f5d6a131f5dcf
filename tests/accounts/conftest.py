import secrets
from ipaddress import IPv6Address

import pytest
from django.contrib.auth.hashers import BCryptSHA256PasswordHasher
from pytest_django import Settings

from tests.accounts.people import Person, make_person


class FastBcrypt(BCryptSHA256PasswordHasher):
    """The same algorithm with the fewest rounds, so that a sign-in takes no quarter of a second."""

    rounds = 4


@pytest.fixture(autouse=True)
def quick_passwords(database: None, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = [f"{FastBcrypt.__module__}.{FastBcrypt.__qualname__}"]


@pytest.fixture
def person() -> Person:
    """An operator of a school of their own."""
    return make_person()


@pytest.fixture
def address() -> str:
    """An address that nobody else calls from, since wrong passwords are counted for each."""
    return str(IPv6Address(bytes([0x20, 0x01, 0x0D, 0xB8]) + secrets.token_bytes(12)))
