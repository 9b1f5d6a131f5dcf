"""Encryption of text for our own use: secrets in the database, and state that a client keeps and returns.

Fernet (AES-128-CBC with HMAC-SHA256, timestamped) with a separate key for each purpose, derived from
`settings.SEALING_KEYS`: text encrypted for one purpose cannot be decrypted for another.
"""

from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

KEY_BYTES = 32


class CannotDecrypt(Exception):
    """The text was not encrypted here for this purpose, or too long ago."""


def encrypt(text: str, *, purpose: str, now: datetime) -> str:
    """Encrypt and authenticate a text."""
    return _keys(tuple(settings.SEALING_KEYS), purpose).encrypt_at_time(text.encode(), int(now.timestamp())).decode()


def decrypt(encrypted: str, *, purpose: str) -> str:
    """Decrypt a text of any age. Raises CannotDecrypt."""
    try:
        return _keys(tuple(settings.SEALING_KEYS), purpose).decrypt(encrypted.encode()).decode()
    except InvalidToken:
        raise CannotDecrypt from None


def decrypt_recent(encrypted: str, *, purpose: str, within: timedelta, now: datetime) -> str:
    """Decrypt a text that was encrypted at most `within` ago. Raises CannotDecrypt."""
    keys = _keys(tuple(settings.SEALING_KEYS), purpose)
    try:
        return keys.decrypt_at_time(encrypted.encode(), int(within.total_seconds()), int(now.timestamp())).decode()
    except InvalidToken:
        raise CannotDecrypt from None


@lru_cache(maxsize=64)
def _keys(secrets: tuple[str, ...], purpose: str) -> MultiFernet:
    return MultiFernet([Fernet(_derived(secret, purpose)) for secret in secrets])


def _derived(secret: str, purpose: str) -> bytes:
    key = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"safesignal.{purpose}".encode())
    return urlsafe_b64encode(key.derive(secret.encode()))
