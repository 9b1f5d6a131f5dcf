"""Check everything that this installation needs, and give advice where something is wrong.

Each check tests one thing in the same way as the running programs use it, takes a few seconds at most, and leaves no
changes behind.
"""

import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import redis
from celery import current_app
from django.conf import settings
from django.core import mail
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.utils import timezone
from kombu.exceptions import KombuError

from apps.common import valkey
from apps.common.audit import checkpoints
from apps.common.db.ids import new_id
from apps.common.feed import relay
from apps.common.keys import load_private_key
from apps.common.observability import heartbeats
from apps.common.operations import findings
from apps.common.operations.doctor_postgres import CLOCK_OFF_SECONDS, SAME_TIME, database_findings
from apps.common.operations.findings import Finding, State, not_here, unwell, well

BEAT_LATE: Final = timedelta(seconds=90)
"""Beat sends every 30 s."""
RELAY_LATE: Final = timedelta(seconds=30)
"""The relay sends a heartbeat every 10 s."""
HEADS_LATE: Final = timedelta(hours=26)
CONNECT_SECONDS: Final = 3
FILES: Final = "django.core.mail.backends.filebased.EmailBackend"


def examine(now: Callable[[], datetime] = timezone.now) -> Iterator[Finding]:
    """Run all checks, one after the other."""
    yield from _key_files()
    yield from (Finding(name, State(state), detail, advice) for name, state, detail, advice in database_findings())
    yield _valkey()
    yield _cache()
    yield _queue()
    yield _heartbeat("relay", relay.HEARTBEAT, RELAY_LATE, now(), "Start the relay: python manage.py relay.")
    yield _heartbeat("beat", "beat", BEAT_LATE, now(), "Start beat and a worker: celery -A safesignal beat / worker.")
    yield _storage()
    yield _heads(now())
    yield _mail()
    yield from _valkeys_clock()
    for check in findings.registered():
        yield from check(now())


def _key_files() -> Iterator[Finding]:
    seen: dict[bytes, str] = {}
    for name, path in (
        *(("token key", path) for path in sorted(settings.TOKEN_KEYS_DIR.glob("*.pem")) or [settings.TOKEN_KEYS_DIR]),
        ("configuration key", settings.CONFIG_KEY_FILE),
        ("audit key", settings.AUDIT_KEY_FILE),
    ):
        yield not_here(name, "no file is named") if path is None else _key_file(name, path, seen)


def _key_file(name: str, path: Path, seen: dict[bytes, str]) -> Finding:
    try:
        key = load_private_key(path)
        mode = stat.S_IMODE(path.stat().st_mode)
    except (OSError, ValueError) as error:
        return unwell(name, error, "Make it with deploy/make-secrets.sh, or restore it from the backup.")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return unwell(name, f"{path} can be read by others ({mode:o})", f"chmod 600 {path}")
    numbers = repr(key.public_key().public_numbers()).encode()
    if numbers in seen:
        return unwell(name, f"it is the {seen[numbers]}", "Each key signs one kind of thing: make another one.")
    seen[numbers] = name
    return well(name, str(path))


def _valkey() -> Finding:
    try:
        version = dict(valkey.client().info("server"))
    except redis.RedisError as error:
        return unwell(
            "valkey", error, "Start Valkey, or set VALKEY_URL right. Until then alarms arrive up to 2 s later."
        )
    return well("valkey", f"version {version.get('valkey_version') or version.get('redis_version')}")


def _cache() -> Finding:
    name = f"doctor:{new_id()}"
    try:
        cache.set(name, "well", timeout=CONNECT_SECONDS)
        value = cache.get(name)
        cache.delete(name)
    except (redis.RedisError, OSError) as error:
        return unwell("cache", error, "Start its Valkey, or set CACHE_URL right.")
    if value != "well":
        return unwell("cache", "what was written is not read again", "Look at its memory: it evicts at once.")
    return well("cache", "written and read again")


def _queue() -> Finding:
    try:
        with current_app.connection_for_write(connect_timeout=CONNECT_SECONDS) as connection:
            connection.ensure_connection(max_retries=1, timeout=CONNECT_SECONDS)
    except (KombuError, OSError, redis.RedisError) as error:
        return unwell("queue", error, "Start the queue, or set CELERY_BROKER_URL right. E-mails wait until then.")
    return well("queue", "takes tasks")


def _heartbeat(name: str, beats: str, late: timedelta, now: datetime, advice: str) -> Finding:
    try:
        last = heartbeats.last(beats)
    except redis.RedisError as error:
        return unwell(name, f"unknown without Valkey: {error}", "Repair Valkey first.")
    if last is None:
        return unwell(name, "gave no sign of life within a day", advice)
    if now - last > late:
        return unwell(name, f"gave its last sign of life {(now - last).total_seconds():.0f} s ago", advice)
    return well(name, f"at work {max(0.0, (now - last).total_seconds()):.0f} s ago")


def _storage() -> Finding:
    """Check object storage. Creates no folder: it would belong to the user who runs this check, not to the programs."""
    if isinstance(default_storage, FileSystemStorage) and not Path(default_storage.location).is_dir():
        advice = "Make it for the user who runs web and worker, or set SAFESIGNAL_OBJECTS_DIR or SAFESIGNAL_S3_* right."
        return unwell("object storage", f"there is no folder {default_storage.location}", advice)
    try:
        name = default_storage.save(f"doctor-{new_id()}", ContentFile(b"well"))
        try:
            with default_storage.open(name) as file:
                content = file.read()
        finally:
            default_storage.delete(name)
    except Exception as error:
        return unwell("object storage", error, "Set SAFESIGNAL_S3_* or SAFESIGNAL_OBJECTS_DIR right; is it full?")
    if content != b"well":
        return unwell("object storage", "what was written is not read again", "Do not rely on it: look at its log.")
    return well("object storage", "written, read and deleted")


def _heads(now: datetime) -> Finding:
    name = "audit heads"
    if settings.AUDIT_KEY_FILE is None:
        return not_here(name, "this process has no audit key")
    try:
        newest = checkpoints.newest_at()
    except Exception as error:
        return unwell(name, error, "Repair the object storage first.")
    if newest is None:
        return unwell(name, "none is stored yet", "Start beat and a worker: they store the first one within an hour.")
    if now - newest > HEADS_LATE:
        return unwell(name, f"the newest is of {newest:%Y-%m-%d %H:%M} UTC", "Look at the worker's log.")
    return well(name, f"the newest is of {newest:%Y-%m-%d %H:%M} UTC")


def _mail() -> Finding:
    if settings.EMAIL_BACKEND == FILES:
        return _mail_files(Path(settings.EMAIL_FILE_PATH))
    connection = mail.get_connection()
    try:
        connection.open()
        connection.close()
    except OSError as error:
        return unwell("mail", error, "Set SAFESIGNAL_EMAIL_URL right; is the mail server there, and the password good?")
    return well("mail", type(connection).__module__.rpartition(".")[2])


def _mail_files(folder: Path) -> Finding:
    """Check the folder of mail files without opening the backend, which would create a file."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return unwell("mail", f"{folder} cannot be written", "Make this folder, or set SAFESIGNAL_EMAIL_URL right.")
    return well("mail", f"files in {folder}: none leaves this machine")


def _valkeys_clock() -> Iterator[Finding]:
    try:
        answer: Sequence[int] = valkey.client().time()
    except redis.RedisError:
        return
    off = answer[0] - time.time()
    if abs(off) > CLOCK_OFF_SECONDS:
        yield unwell("clock of Valkey", f"it is {off:+.1f} s off ours", SAME_TIME)
    else:
        yield well("clock of Valkey", "it is ours")
