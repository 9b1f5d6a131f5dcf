"""Settings from the environment: read once, validated, immutable."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

PREFIX = "SAFESIGNAL_EDGE_"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
Read = TypeVar("Read")


class SettingsError(Exception):
    """An invalid setting: one line with its name and the error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The gateway's settings, all required. Both keys are P-256: one signs requests, one verifies the configuration."""

    cloud_url: str
    gateway_id: str
    key: ec.EllipticCurvePrivateKey
    config_public_key: ec.EllipticCurvePublicKey
    state_dir: Path
    mqtt_host: str
    mqtt_port: int
    mqtt_ca: Path
    mqtt_cert: Path
    mqtt_key: Path

    @property
    def cloud_is_here(self) -> bool:
        """Whether the cloud runs on this machine, without a proxy in between."""
        return urlsplit(self.cloud_url).hostname in LOOPBACK

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the `SAFESIGNAL_EDGE_…` variables; SettingsError names the first missing or invalid one."""

        def get(name: str, parse: Callable[[str], Read]) -> Read:
            text = environment.get(PREFIX + name, "").strip()
            if not text:
                raise SettingsError(f"{PREFIX}{name} is not set")
            try:
                return parse(text)
            except (ValueError, OSError, TypeError) as error:
                raise SettingsError(f"{PREFIX}{name}: {error}") from error

        return cls(
            cloud_url=get("CLOUD_URL", _url),
            gateway_id=get("GATEWAY_ID", lambda text: str(UUID(text))),
            key=get("KEY_FILE", _private_key),
            config_public_key=get("CONFIG_PUBLIC_KEY_FILE", _public_key),
            state_dir=get("STATE_DIR", Path),
            mqtt_host=get("MQTT_HOST", str),
            mqtt_port=get("MQTT_PORT", _port),
            mqtt_ca=get("MQTT_CA", _file),
            mqtt_cert=get("MQTT_CERT", _file),
            mqtt_key=get("MQTT_KEY", _file),
        )


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http(s) URL")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("http is allowed for this machine only; use https")
    return text.rstrip("/")


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 2**16:
        raise ValueError("not a port")
    return port


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError(f"no such file: {path}")
    return path


def _private_key(text: str) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(_file(text).read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a P-256 private key")
    return key


def _public_key(text: str) -> ec.EllipticCurvePublicKey:
    key = load_pem_public_key(_file(text).read_bytes())
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a P-256 public key")
    return key
