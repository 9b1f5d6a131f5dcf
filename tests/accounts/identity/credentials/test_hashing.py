"""Password hashing leaves processors to other work, however many people sign in."""

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

import pytest
from django.contrib.auth.hashers import BCryptSHA256PasswordHasher

from apps.accounts.identity.credentials.hashers import BoundedPasswordHasher
from apps.common.concurrency import Busy
from tests.kit.patience import until

pytestmark = pytest.mark.slow

MANY = 64


def test_hashing_uses_half_of_the_cores_and_refuses_callers_beyond_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    release, counting = Event(), Lock()
    working = greatest = 0

    def hash_slowly(_hasher: BCryptSHA256PasswordHasher, password: str, _salt: str) -> str:
        nonlocal working, greatest
        with counting:
            working += 1
            greatest = max(greatest, working)
        release.wait()
        with counting:
            working -= 1
        return password

    monkeypatch.setattr(BCryptSHA256PasswordHasher, "encode", hash_slowly)
    with ThreadPoolExecutor(MANY) as pool:
        hashing = [pool.submit(BoundedPasswordHasher().encode, "password", "salt") for _ in range(MANY)]
        try:
            until(lambda: greatest == MANY or any(one.done() for one in hashing))
        finally:
            release.set()
    assert greatest <= max(1, (os.cpu_count() or 1) // 2)
    assert any(isinstance(one.exception(), Busy) for one in hashing)
