"""The demo's certificates: root CA -> organization's CA -> buttons, gateway and broker (all P-256).

    pki/root.pem                  the CA that clients trust
    pki/organization.pem          the only CA that the broker trusts
    pki/organization.anchor.pem   the same CA, self-signed, for brokers that require that (Mosquitto)
    pki/broker.pem                the broker's chain
    pki/gateway.pem               the gateway's certificate (CN gateway-<id>)
    pki/buttons/<device id>.pem   a button's certificate (CN = device id), with its .key (mode 0600) beside it

The certificates are valid for years on purpose: no button stops working because of an expiry. A button's `inst` is
derived from its public key, so that a new key pair is a new instance whose presses are never repeats.
"""

import hashlib
import ipaddress
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devstack.machine.paths import write_private

BUTTONS = 1000
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
"""Start of validity: brokers, gateways and buttons with a lost clock still accept each other."""
CA_YEARS = 20
LEAF_YEARS = 10


@dataclass(frozen=True)
class Authority:
    """A certificate and its signing key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Identity:
    """The files with which a client authenticates."""

    name: str
    certificate: Path
    key: Path


def make_pki(folder: Path, *, buttons: int = BUTTONS, root: Authority | None = None) -> None:
    """Create all certificates that are independent of the cloud, once (the list of buttons is written last)."""
    if (folder / "buttons.txt").exists():
        return
    root = root or _authority("SafeSignal demo root", None, path_length=1)
    organization = _authority("SafeSignal demo organization", root, path_length=0)
    anchor = _authority("SafeSignal demo organization", None, path_length=0, key=organization.key)
    _save(folder / "organization.anchor.pem", anchor.certificate)
    for name, authority in (("root", root), ("organization", organization)):
        _save(folder / f"{name}.pem", authority.certificate)
        _save_key(folder / f"{name}.key", authority.key)
    _issue(folder / "broker", organization, "localhost", server=True)
    (folder / "buttons").mkdir(mode=0o700, exist_ok=True)
    names = [f"ss-{secrets.token_hex(8)}" for _ in range(buttons)]
    for name in names:
        _issue(folder / "buttons" / name, organization, name)
    write_private(folder / "buttons.txt", "".join(f"{name}\n" for name in names))


def device_ids(folder: Path) -> list[str]:
    """Return the buttons with a certificate, in order of creation."""
    return (folder / "buttons.txt").read_text().split()


def button_identity(folder: Path, device: str) -> Identity:
    """Return the files of a button."""
    return Identity(device, folder / "buttons" / f"{device}.pem", folder / "buttons" / f"{device}.key")


def instance(identity: Identity) -> str:
    """Return the button's `inst`: 8 hex digits derived from its key pair."""
    certificate = x509.load_pem_x509_certificate(identity.certificate.read_bytes())
    public = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(public).hexdigest()[:8]


def gateway_identity(folder: Path, gateway_id: str) -> Identity:
    """Return the gateway's client certificate, created once the cloud has assigned the gateway's id."""
    name = f"gateway-{gateway_id}"
    identity = Identity(name, folder / "gateway.pem", folder / "gateway.key")
    if not identity.certificate.exists() or common_name(identity.certificate) != name:
        _issue(folder / "gateway", load_authority(folder / "organization"), name)
    return identity


def common_name(certificate: Path) -> str:
    """Return the common name of a certificate."""
    subject = x509.load_pem_x509_certificate(certificate.read_bytes()).subject
    return str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _authority(
    name: str, issuer: Authority | None, *, path_length: int, key: ec.EllipticCurvePrivateKey | None = None
) -> Authority:
    """Create a certificate authority, self-signed without an issuer."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    issuer_name = issuer.certificate.subject if issuer else _name(name)
    issuer_key = issuer.key if issuer else key
    builder = (
        _builder(name, key, issuer_name, issuer_key, CA_YEARS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
    )
    return Authority(builder.sign(issuer_key, hashes.SHA256()), key)


def _issue(stem: Path, issuer: Authority, name: str, *, server: bool = False) -> None:
    """Create a leaf certificate and its key; a server's file also contains the organization's CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        _builder(name, key, issuer.certificate.subject, issuer.key, LEAF_YEARS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )
    if server:
        here = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(here), critical=False)
    certificate = builder.sign(issuer.key, hashes.SHA256())
    _save_key(stem.with_name(f"{stem.name}.key"), key)
    _save(stem.with_name(f"{stem.name}.pem"), certificate, *([issuer.certificate] if server else []))


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer_name: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    years: int,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC).replace(microsecond=0)
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer_name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(ALWAYS)
        .not_valid_after(now + timedelta(days=365 * years))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def load_authority(stem: Path) -> Authority:
    """Load an authority from its two files."""
    key = load_pem_private_key(stem.with_name(f"{stem.name}.key").read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{stem}.key is not an elliptic curve key")
    return Authority(x509.load_pem_x509_certificate(stem.with_name(f"{stem.name}.pem").read_bytes()), key)


def _save(path: Path, *chain: x509.Certificate) -> None:
    path.write_bytes(b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain))


def _save_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
