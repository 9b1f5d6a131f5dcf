import secrets
from collections.abc import Iterator
from ipaddress import IPv6Address

import pytest
from pytest_django import Settings

from tests.accounts.identity_provider import Issuer, running
from tests.accounts.sso_school import School
from tests.kit.passwords import FAST_HASHERS
from tests.kit.people import AccountFactory, Person


@pytest.fixture(autouse=True)
def quick_passwords(database: None, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = FAST_HASHERS


@pytest.fixture
def person() -> Person:
    """An operator of a new school."""
    return AccountFactory.create()


@pytest.fixture
def address() -> str:
    """A client address of this test alone, since wrong passwords are counted per address."""
    return str(IPv6Address(bytes([0x20, 0x01, 0x0D, 0xB8]) + secrets.token_bytes(12)))


@pytest.fixture(scope="module")
def shared_issuer() -> Iterator[Issuer]:
    with running() as issuer:
        yield issuer


@pytest.fixture
def issuer(shared_issuer: Issuer) -> Issuer:
    """The module's issuer in its initial state, except for its URL and key."""
    fresh = Issuer(url=shared_issuer.url)
    shared_issuer.__dict__.update({**fresh.__dict__, "signing_key": fresh.signing_key})
    return shared_issuer


@pytest.fixture
def school(issuer: Issuer, address: str) -> School:
    return School(issuer, address)
