"""Refresh tokens: each is valid once; reuse ends the sign-in, except to repeat a lost response."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.db import connection

from apps.accounts.identity.documents import TokenPairDocument
from apps.accounts.identity.keys import tokens
from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.identity.sign_in.services import REUSE_GRACE, RefreshRefused, RefreshReused
from apps.accounts.models import RefreshToken, UserStatus
from apps.common.access import PrincipalKind
from tests.accounts.changes import end_membership, set_status, trail
from tests.kit.people import PASSWORD, Person

START = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def signs_in(person: Person, address: str) -> Callable[[], TokenPairDocument]:
    return lambda: sign_in.login(email=person.email, password=PASSWORD, address=address, now=START)


@pytest.fixture
def pair(signs_in: Callable[[], TokenPairDocument]) -> TokenPairDocument:
    return signs_in()


def refused(token: str, now: datetime) -> bool:
    try:
        sign_in.refresh(token=token, now=now)
    except RefreshRefused:
        return True
    return False


def test_refresh_returns_a_new_pair_for_the_same_person(person: Person, pair: TokenPairDocument) -> None:
    later = START + timedelta(minutes=14)
    fresh = sign_in.refresh(token=pair.refresh, now=later)
    assert fresh.refresh != pair.refresh
    claims = tokens.verify(fresh.access, kind=PrincipalKind.PERSON, now=later)
    assert (claims.sub, claims.iat) == (person.id, int(later.timestamp()))


def test_refreshed_token_has_the_current_memberships(person: Person, pair: TokenPairDocument) -> None:
    end_membership(person)
    fresh = sign_in.refresh(token=pair.refresh, now=START + SECOND)
    assert tokens.verify(fresh.access, now=START + SECOND).organizations == ()


def test_repeated_refreshes_belong_to_one_family(person: Person, pair: TokenPairDocument) -> None:
    token = pair.refresh
    for day in range(1, 6):
        token = sign_in.refresh(token=token, now=START + timedelta(days=day)).refresh
    rows = RefreshToken.objects.filter(user_id=person.id)
    assert rows.count() == 6
    assert rows.values("family").distinct().count() == 1
    assert rows.filter(used_at=None).count() == 1


@pytest.mark.parametrize("after", [timedelta(0), SECOND, REUSE_GRACE])
def test_refresh_within_grace_returns_the_same_token(pair: TokenPairDocument, after: timedelta) -> None:
    first = sign_in.refresh(token=pair.refresh, now=START)
    again = sign_in.refresh(token=pair.refresh, now=START + after)
    assert again.refresh == first.refresh
    assert not refused(first.refresh, START + after)


def test_reuse_after_grace_ends_the_whole_family(person: Person, pair: TokenPairDocument) -> None:
    second = sign_in.refresh(token=pair.refresh, now=START)
    third = sign_in.refresh(token=second.refresh, now=START + 10 * SECOND)
    theft = START + REUSE_GRACE + SECOND
    with pytest.raises(RefreshReused):
        sign_in.refresh(token=pair.refresh, now=theft)
    assert refused(third.refresh, theft)
    assert refused(second.refresh, theft)
    assert not RefreshToken.objects.filter(user_id=person.id).exists()
    assert trail(person)[-1] == ("auth.refresh_reused", "refused", person.organization)


def test_reuse_keeps_other_sign_ins_of_the_person(signs_in: Callable[[], TokenPairDocument]) -> None:
    stolen, other = signs_in(), signs_in()
    sign_in.refresh(token=stolen.refresh, now=START)
    assert refused(stolen.refresh, START + REUSE_GRACE + SECOND)
    assert not refused(other.refresh, START + REUSE_GRACE + SECOND)


def test_expired_refresh_token_is_refused_and_deleted_at_the_next_sign_in(
    person: Person, address: str, pair: TokenPairDocument
) -> None:
    end = START + timedelta(days=settings.REFRESH_TOKEN_DAYS)
    assert refused(pair.refresh, end)
    assert not refused(pair.refresh, end - SECOND)
    sign_in.login(email=person.email, password=PASSWORD, address=address, now=end + SECOND)
    assert not RefreshToken.objects.filter(user_id=person.id, expires_at__lte=end).exists()


@pytest.mark.parametrize("token", ["", "x", "é", "\x00", "x" * 200])
def test_unknown_refresh_token_is_refused(token: str) -> None:
    assert refused(token, START)


def test_access_token_is_refused_as_refresh_token(pair: TokenPairDocument) -> None:
    assert refused(pair.access, START)


def test_refresh_is_refused_for_suspended_person(person: Person, pair: TokenPairDocument) -> None:
    set_status(person, UserStatus.SUSPENDED)
    assert refused(pair.refresh, START + SECOND)


def test_logout_ends_the_family_once(person: Person, signs_in: Callable[[], TokenPairDocument]) -> None:
    first, other = signs_in(), signs_in()
    second = sign_in.refresh(token=first.refresh, now=START)
    sign_in.logout(token=first.refresh)
    sign_in.logout(token=second.refresh)
    assert refused(first.refresh, START + SECOND)
    assert refused(second.refresh, START + SECOND)
    assert not refused(other.refresh, START + SECOND)
    assert trail(person)[2:] == [("auth.logout", "done", person.organization)]


def test_logout_of_unknown_token_succeeds() -> None:
    sign_in.logout(token="never issued")


def test_concurrent_refreshes_return_one_successor(person: Person, pair: TokenPairDocument) -> None:
    def use(_: int) -> str:
        try:
            return sign_in.refresh(token=pair.refresh, now=START).refresh
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        successors = set(pool.map(use, range(12)))
    assert len(successors) == 1
    assert RefreshToken.objects.filter(user_id=person.id).count() == 2


def test_concurrent_refresh_and_logout_leave_no_valid_token(signs_in: Callable[[], TokenPairDocument]) -> None:
    def rotate(token: str) -> str | None:
        try:
            return sign_in.refresh(token=token, now=START).refresh
        except RefreshRefused:
            return None
        finally:
            connection.close()

    def leave(token: str) -> None:
        try:
            sign_in.logout(token=token)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        for _ in range(10):
            token = signs_in().refresh
            rotated, left = pool.submit(rotate, token), pool.submit(leave, token)
            left.result()
            successor = rotated.result()
            assert successor is None or refused(successor, START)
