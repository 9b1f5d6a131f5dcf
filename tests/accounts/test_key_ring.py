"""The keys of access tokens: which signs, which verify, and how one follows another with nobody signed out."""

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import jwt
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from jwt import PyJWKSet
from pytest_django import Settings

from apps.accounts.identity.keys import key_ring, rotation, tokens
from apps.accounts.identity.keys.key_ring import LONGEST_TOKEN
from apps.accounts.identity.keys.signing_keys import signing_key
from apps.accounts.identity.keys.tokens import TokenRefused
from apps.common.access import PrincipalKind
from apps.common.db.ids import new_id

pytestmark = pytest.mark.slow

NOW = datetime(2026, 9, 1, 8, 15, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SUBJECT = new_id()
CLAIMS = {"sid": str(new_id()), "email": "tess@example.edu", "organizations": []}


@pytest.fixture
def folder(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A ring without keys, which is looked at anew each time."""
    settings.TOKEN_KEYS_DIR = tmp_path
    monkeypatch.setattr(key_ring, "RELOAD_SECONDS", 0.0)
    yield tmp_path


def add_key(folder: Path, signs_from: datetime) -> str:
    """The name of a new key."""
    file = key_ring.file_of(folder, signs_from)
    rotation.carry_out(rotation.Rotation(file, [], signs_from))
    return signing_key(file).kid


def mint(now: datetime) -> str:
    return tokens.mint(
        kind=PrincipalKind.PERSON, subject=SUBJECT, claims=CLAIMS, lifetime=timedelta(minutes=15), now=now
    )


def signed_with(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def is_taken(token: str, now: datetime) -> bool:
    try:
        return tokens.verify(token, now=now).sub == SUBJECT
    except TokenRefused:
        return False


def rotate(*arguments: str) -> str:
    said = StringIO()
    call_command("rotate_keys", *arguments, stdout=said)
    return said.getvalue()


def kids(folder: Path, now: datetime) -> list[str]:
    return [key.kid for key in key_ring.key_ring().verifying(now)]


def test_the_newest_key_whose_moment_has_come_signs(folder: Path) -> None:
    first, second = add_key(folder, NOW - timedelta(days=30)), add_key(folder, NOW)
    assert signed_with(mint(NOW - SECOND)) == first
    assert signed_with(mint(NOW)) == second


def test_before_every_moment_the_first_key_signs(folder: Path) -> None:
    """A clock that is off signs nobody out."""
    first = add_key(folder, NOW)
    add_key(folder, NOW + SECOND)
    assert signed_with(mint(NOW - timedelta(days=400))) == first


def test_a_key_that_will_sign_verifies_already(folder: Path) -> None:
    add_key(folder, NOW - timedelta(days=30))
    add_key(folder, NOW + timedelta(minutes=1))
    ahead = mint(NOW + timedelta(minutes=2))
    assert is_taken(ahead, NOW)


def test_a_key_verifies_until_the_longest_token_is_over(folder: Path) -> None:
    """And not for a second longer, though its file is still there."""
    first = add_key(folder, NOW - timedelta(days=30))
    add_key(folder, NOW)
    key = key_ring.key_ring().by_kid(first)
    assert key is not None
    end = NOW + LONGEST_TOKEN
    verifying = key_ring.key_ring().verifying
    assert key in verifying(end - SECOND)
    assert key not in verifying(end)
    token = tokens.mint(
        kind=PrincipalKind.PERSON,
        subject=SUBJECT,
        claims=CLAIMS,
        lifetime=timedelta(days=7),  # no token lives so long: only the key refuses it
        now=NOW - SECOND,
    )
    assert signed_with(token) == first
    assert is_taken(token, end - SECOND)
    assert not is_taken(token, end)


def test_a_token_is_refused_as_soon_as_its_key_is_gone(folder: Path) -> None:
    """Though it was verified and remembered before."""
    first = add_key(folder, NOW - timedelta(days=30))
    token = mint(NOW - SECOND)
    assert is_taken(token, NOW)
    add_key(folder, NOW)
    key_ring.file_of(folder, NOW - timedelta(days=30)).unlink()
    assert first not in kids(folder, NOW)
    assert not is_taken(token, NOW)


def test_a_running_process_looks_again_each_second(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not with each token."""
    monkeypatch.setattr(key_ring, "RELOAD_SECONDS", 1.0)
    clock = [1000.0]
    monkeypatch.setattr(key_ring, "monotonic", lambda: clock[0])
    first = add_key(folder, NOW - SECOND)
    assert kids(folder, NOW) == [first]
    second = add_key(folder, NOW)
    clock[0] += 0.9
    assert kids(folder, NOW) == [first]
    clock[0] += 0.1
    assert kids(folder, NOW) == [first, second]


@pytest.mark.parametrize("content", [b"", b"no key", None], ids=["empty", "nonsense", "no folder"])
def test_a_folder_that_can_not_be_read_leaves_the_keys_as_they_were(folder: Path, content: bytes | None) -> None:
    """Somebody copies a key by hand, and half of it is there: nobody is signed out by that."""
    first = add_key(folder, NOW)
    token = mint(NOW)
    if content is None:
        folder.rename(folder.with_name("elsewhere"))
    else:
        key_ring.file_of(folder, NOW + SECOND).write_bytes(content)
    assert kids(folder, NOW) == [first]
    assert is_taken(token, NOW)


def test_without_a_key_nothing_starts(folder: Path) -> None:
    (folder / "token.pem").write_text("not named for its moment")
    with pytest.raises(ImproperlyConfigured, match="rotate_keys"):
        key_ring.key_ring()


def test_rotation_shows_a_key_before_it_signs_and_nobody_is_signed_out(folder: Path) -> None:
    add_key(folder, timezone.now() - timedelta(days=90))
    before, now = mint(timezone.now()), timezone.now()
    said = rotate()
    after = mint(now + timedelta(seconds=61))
    assert "signs from" in said and "deleted" not in said
    assert signed_with(mint(timezone.now())) == signed_with(before) != signed_with(after)
    assert is_taken(before, now) and is_taken(after, now)


def test_rotation_deletes_what_no_living_token_was_signed_with(folder: Path) -> None:
    now = timezone.now()
    oldest = key_ring.file_of(folder, now - timedelta(days=180))
    for days in (180, 90, 0):
        add_key(folder, now - timedelta(days=days))
    assert f"deleted: {oldest.name}" in rotate()
    assert not oldest.exists()
    assert len(list(folder.iterdir())) == 3  # the one of 90 days ago may have signed a second ago


def test_a_dry_run_changes_nothing(folder: Path) -> None:
    add_key(folder, timezone.now() - timedelta(days=90))
    before = sorted(folder.iterdir())
    assert "would be made" in rotate("--dry-run")
    assert "would be made" in rotate("--dry-run", "--stolen")
    assert sorted(folder.iterdir()) == before


def test_a_second_rotation_waits_for_the_first(folder: Path) -> None:
    """Else whoever starts it twice would have keys that nobody has seen yet."""
    add_key(folder, timezone.now() - timedelta(days=90))
    rotate()
    with pytest.raises(CommandError) as refused:
        rotate()
    assert refused.value.returncode == 3
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("seconds", ["999999999", "604801", "59", "0", "-60", "60.5", "soon"])
def test_rotation_refuses_a_time_out_of_bounds_and_makes_no_key(folder: Path, seconds: str) -> None:
    add_key(folder, timezone.now() - timedelta(days=90))
    with pytest.raises(CommandError, match=rf"--signs-in: {seconds} is not (from 60 to 604800|a whole number)\."):
        rotate("--signs-in", seconds)
    assert len(list(folder.iterdir())) == 1


def test_rotation_takes_the_longest_time(folder: Path) -> None:
    add_key(folder, timezone.now() - timedelta(days=90))
    rotate("--signs-in", "604800")
    assert len(list(folder.iterdir())) == 2


def test_a_folder_that_is_not_there_is_said(folder: Path) -> None:
    folder.rmdir()
    with pytest.raises(CommandError) as refused:
        rotate()
    assert refused.value.returncode == 1


def test_the_first_key_is_made_by_the_same_command(folder: Path) -> None:
    rotate()
    now = timezone.now()
    assert is_taken(mint(now), now)
    (only,) = folder.iterdir()
    assert stat.S_IMODE(only.stat().st_mode) == 0o600


def test_stolen_keys_open_nothing_any_more(folder: Path) -> None:
    add_key(folder, timezone.now() - timedelta(days=90))
    now = timezone.now()
    stolen = mint(now)
    said = rotate("--stolen")
    assert said.count("deleted") == 1
    assert not is_taken(stolen, now)
    assert is_taken(mint(timezone.now()), timezone.now())


def test_a_new_key_is_readable_by_whom_the_old_one_is(folder: Path) -> None:
    add_key(folder, timezone.now() - timedelta(days=90))
    (old,) = folder.iterdir()
    old.chmod(0o440)
    rotate()
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o440}


def test_everybody_can_verify_a_token_with_the_published_keys(folder: Path, database: None) -> None:
    """RFC 7517, by another implementation; nothing private is in it."""
    now = timezone.now()
    add_key(folder, now - timedelta(days=1, seconds=1))
    add_key(folder, now - timedelta(hours=1))
    rotate()
    answer = Client().get("/.well-known/jwks.json")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/jwk-set+json")
    assert answer["Cache-Control"] == "public, max-age=30"
    body: Any = answer.json()
    assert [key["kid"] for key in body["keys"]] == kids(folder, now)
    assert len(body["keys"]) == 3
    assert {name for key in body["keys"] for name in key} == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    published = PyJWKSet.from_dict(body)
    token = mint(now)
    key = published[signed_with(token)]
    assert jwt.decode(token, key, algorithms=["ES256"], audience="safesignal")["sub"] == str(SUBJECT)
