"""Only P-256 keys are loaded, and each refusal names the file."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from apps.common.keys import load_private_key, load_public_key

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()


def private_pem(key: PrivateKey, *, password: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "some.pem"


def test_p256_keys_are_loaded(file: Path) -> None:
    file.write_bytes(private_pem(P256))
    assert load_private_key(file).private_numbers() == P256.private_numbers()
    file.write_bytes(public_pem(P256))
    assert load_public_key(file) == P256.public_key()


@pytest.mark.parametrize(
    "content",
    [private_pem(P384), private_pem(ED25519), private_pem(P256, password=b"x"), public_pem(P256), b"", b"no key"],
    ids=["p384", "ed25519", "encrypted", "public", "empty", "garbage"],
)
def test_other_private_keys_are_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"some\.pem"):
        load_private_key(file)


@pytest.mark.parametrize(
    "content",
    [public_pem(P384), public_pem(ED25519), private_pem(P256), b"", b"no key"],
    ids=["p384", "ed25519", "private", "empty", "garbage"],
)
def test_other_public_keys_are_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"some\.pem"):
        load_public_key(file)
