"""Keys of access tokens: which one signs, which ones verify, and rotation without signing anyone out."""

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
from rest_framework_simplejwt.exceptions import TokenError

from apps.accounts.identity.keys import key_ring, rotation, tokens
from apps.accounts.identity.keys.key_ring import LONGEST_TOKEN
from apps.accounts.identity.keys.signing_keys import signing_key
from apps.common.access import PrincipalKind
from apps.common.db.ids import new_id

pytestmark = pytest.mark.slow

NOW = datetime(2026, 9, 1, 8, 15, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SUBJECT = new_id()
CLAIMS = {"sid": str(new_id()), "email": "tess@example.edu", "organizations": []}


@pytest.fixture
def folder(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder of keys, which is reloaded on each use."""
    settings.TOKEN_KEYS_DIR = tmp_path
    monkeypatch.setattr(key_ring, "RELOAD_SECONDS", 0.0)
    yield tmp_path


def add_key(folder: Path, signs_from: datetime) -> str:
    """Add a key and return its id."""
    file = key_ring.file_of(folder, signs_from)
    rotation.carry_out(rotation.Rotation(file, [], signs_from))
    return signing_key(file).kid


def mint(now: datetime) -> str:
    return tokens.mint(
        kind=PrincipalKind.PERSON, subject=SUBJECT, claims=CLAIMS, lifetime=timedelta(minutes=15), now=now
    )


def signed_with(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def is_accepted(token: str, now: datetime) -> bool:
    try:
        return tokens.verify(token, now=now).sub == SUBJECT
    except TokenError:
        return False


def rotate(*arguments: str) -> str:
    output = StringIO()
    call_command("rotate_keys", *arguments, stdout=output)
    return output.getvalue()


def kids(folder: Path, now: datetime) -> list[str]:
    return [key.kid for key in key_ring.key_ring().verifying(now)]


def test_newest_active_key_signs(folder: Path) -> None:
    first, second = add_key(folder, NOW - timedelta(days=30)), add_key(folder, NOW)
    assert signed_with(mint(NOW - SECOND)) == first
    assert signed_with(mint(NOW)) == second


def test_first_key_signs_when_all_keys_are_in_the_future(folder: Path) -> None:
    """A wrong clock signs no one out."""
    first = add_key(folder, NOW)
    add_key(folder, NOW + SECOND)
    assert signed_with(mint(NOW - timedelta(days=400))) == first


def test_future_key_already_verifies(folder: Path) -> None:
    add_key(folder, NOW - timedelta(days=30))
    add_key(folder, NOW + timedelta(minutes=1))
    ahead = mint(NOW + timedelta(minutes=2))
    assert is_accepted(ahead, NOW)


def test_replaced_key_verifies_until_the_longest_token_expires(folder: Path) -> None:
    """Not a second longer, although its file still exists."""
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
        lifetime=timedelta(days=7),  # longer than any real token, so that only the key can be the reason
        now=NOW - SECOND,
    )
    assert signed_with(token) == first
    assert is_accepted(token, end - SECOND)
    assert not is_accepted(token, end)


def test_token_is_refused_once_its_key_is_deleted(folder: Path) -> None:
    """Even if it was verified and cached before."""
    first = add_key(folder, NOW - timedelta(days=30))
    token = mint(NOW - SECOND)
    assert is_accepted(token, NOW)
    add_key(folder, NOW)
    key_ring.file_of(folder, NOW - timedelta(days=30)).unlink()
    assert first not in kids(folder, NOW)
    assert not is_accepted(token, NOW)


def test_running_process_reloads_keys_once_a_second(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for each token."""
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
def test_unreadable_folder_keeps_the_loaded_keys(folder: Path, content: bytes | None) -> None:
    """A key that is only half copied by hand signs no one out."""
    first = add_key(folder, NOW)
    token = mint(NOW)
    if content is None:
        folder.rename(folder.with_name("elsewhere"))
    else:
        key_ring.file_of(folder, NOW + SECOND).write_bytes(content)
    assert kids(folder, NOW) == [first]
    assert is_accepted(token, NOW)


def test_key_ring_without_a_key_raises(folder: Path) -> None:
    (folder / "token.pem").write_text("not named for its moment")
    with pytest.raises(ImproperlyConfigured, match="rotate_keys"):
        key_ring.key_ring()


def test_rotation_publishes_a_key_before_it_signs_and_keeps_tokens_valid(folder: Path) -> None:
    add_key(folder, timezone.now() - timedelta(days=90))
    before, now = mint(timezone.now()), timezone.now()
    output = rotate()
    after = mint(now + timedelta(seconds=61))
    assert "signs from" in output and "deleted" not in output
    assert signed_with(mint(timezone.now())) == signed_with(before) != signed_with(after)
    assert is_accepted(before, now) and is_accepted(after, now)


def test_rotation_deletes_keys_whose_tokens_have_expired(folder: Path) -> None:
    now = timezone.now()
    oldest = key_ring.file_of(folder, now - timedelta(days=180))
    for days in (180, 90, 0):
        add_key(folder, now - timedelta(days=days))
    assert f"deleted: {oldest.name}" in rotate()
    assert not oldest.exists()
    assert len(list(folder.iterdir())) == 3  # the key of 90 days ago may have signed a token a second ago


def test_rotation_dry_run_changes_nothing(folder: Path) -> None:
    add_key(folder, timezone.now() - timedelta(days=90))
    before = sorted(folder.iterdir())
    assert "would be made" in rotate("--dry-run")
    assert "would be made" in rotate("--dry-run", "--stolen")
    assert sorted(folder.iterdir()) == before


def test_second_rotation_is_refused_before_the_new_key_signs(folder: Path) -> None:
    """Otherwise running it twice would sign with keys that no verifier has loaded yet."""
    add_key(folder, timezone.now() - timedelta(days=90))
    rotate()
    with pytest.raises(CommandError) as refused:
        rotate()
    assert refused.value.returncode == 3
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("seconds", ["999999999", "604801", "59", "0", "-60", "60.5", "soon"])
def test_rotation_with_time_out_of_bounds_creates_no_key(folder: Path, seconds: str) -> None:
    add_key(folder, timezone.now() - timedelta(days=90))
    with pytest.raises(CommandError, match=rf"--signs-in: {seconds} is not (from 60 to 604800|a whole number)\."):
        rotate("--signs-in", seconds)
    assert len(list(folder.iterdir())) == 1


def test_rotation_accepts_the_maximum_time(folder: Path) -> None:
    add_key(folder, timezone.now() - timedelta(days=90))
    rotate("--signs-in", "604800")
    assert len(list(folder.iterdir())) == 2


def test_rotation_fails_without_the_folder(folder: Path) -> None:
    folder.rmdir()
    with pytest.raises(CommandError) as refused:
        rotate()
    assert refused.value.returncode == 1


def test_rotation_creates_the_first_key(folder: Path) -> None:
    rotate()
    now = timezone.now()
    assert is_accepted(mint(now), now)
    (only,) = folder.iterdir()
    assert stat.S_IMODE(only.stat().st_mode) == 0o600


def test_tokens_of_stolen_keys_are_refused_after_rotation(folder: Path) -> None:
    add_key(folder, timezone.now() - timedelta(days=90))
    now = timezone.now()
    stolen = mint(now)
    output = rotate("--stolen")
    assert output.count("deleted") == 1
    assert not is_accepted(stolen, now)
    assert is_accepted(mint(timezone.now()), timezone.now())


def test_rotation_keeps_the_file_mode_of_the_old_key(folder: Path) -> None:
    add_key(folder, timezone.now() - timedelta(days=90))
    (old,) = folder.iterdir()
    old.chmod(0o440)
    rotate()
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o440}


def test_published_keys_verify_a_token(folder: Path, database: None) -> None:
    """RFC 7517, checked with another implementation; the document contains nothing private."""
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
