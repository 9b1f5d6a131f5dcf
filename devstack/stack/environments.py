"""The environment of each program: the settings that it needs and no others."""

import os
import secrets
import sys
from pathlib import Path
from urllib.parse import quote

from devstack.machine.credentials import (
    AUDIT_KEY,
    CONFIGURATION_KEY,
    CONFIGURATION_PUBLIC_KEY,
    GATEWAY_KEY,
    TOKEN_KEYS,
    Credentials,
    new_key,
)
from devstack.machine.paths import ROOT, Layout
from devstack.machine.pki import Identity
from devstack.machine.ports import HOST, Ports
from devstack.stack.engines import celery_url, database_url, valkey_url

Environment = dict[str, str]


def base(place: Layout) -> Environment:
    """Return the environment common to all programs."""
    kept = {name: os.environ[name] for name in ("PATH", "TZ", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "HOME": str(place.home),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "VIRTUAL_ENV": sys.prefix,
        # Programs do not write into the checkout; ./dev up compiles it beforehand.
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def cloud(place: Layout, secrets: Credentials, ports: Ports, *roles: str) -> Environment:
    """Return Django's settings, with database access as `app` and the given roles (system, owner)."""
    passwords = {"system": secrets.system_password, "owner": secrets.owner_password}
    return {
        **base(place),
        "DJANGO_SETTINGS_MODULE": "safesignal.settings",
        "SAFESIGNAL_PROFILE": "development",
        "SAFESIGNAL_OPERATORS_NEED_SECOND_FACTOR": "false",
        "SAFESIGNAL_SECRET_KEY": secrets.secret_key,
        "SAFESIGNAL_TOKEN_KEYS_DIR": str(place.keys / TOKEN_KEYS),
        "SAFESIGNAL_CONFIG_KEY_FILE": str(place.keys / CONFIGURATION_KEY),
        "SAFESIGNAL_AUDIT_KEY_FILE": str(place.keys / AUDIT_KEY),
        "SAFESIGNAL_ALLOWED_HOSTS": f"{HOST},localhost",
        "SAFESIGNAL_BASE_URL": base_url(ports),
        "SAFESIGNAL_OBJECTS_DIR": str(place.objects),
        # A development machine sends no e-mail but writes each to a file.
        "SAFESIGNAL_EMAIL_URL": f"filemail:///{quote(str(place.mail))}",
        "DATABASE_URL": database_url(place, "app", secrets.app_password),
        "VALKEY_URL": valkey_url(place, secrets, 0),
        "CACHE_URL": valkey_url(place, secrets, 1),
        "CELERY_BROKER_URL": celery_url(place, secrets),
        **{f"DATABASE_{role.upper()}_URL": database_url(place, role, passwords[role]) for role in roles},
    }


def throwaway(folder: Path, profile: str) -> Environment:
    """Return settings with generated secrets and no engines: enough to load the code under this profile."""
    tokens = folder / f"{profile}-tokens"
    tokens.mkdir()
    configuration = folder / f"{profile}-config.pem"
    for path in (tokens / "20260101T000000Z.pem", configuration):
        path.touch(mode=0o600)
        path.write_bytes(new_key())
    nowhere = f"{folder}/nowhere"
    database = f"postgres://safesignal_{{role}}:none@/safesignal?host={nowhere.replace('/', '%2F')}"
    return {
        "DJANGO_SETTINGS_MODULE": "safesignal.settings",
        "SAFESIGNAL_PROFILE": profile,
        "SAFESIGNAL_SECRET_KEY": secrets.token_urlsafe(64),
        "SAFESIGNAL_TOKEN_KEYS_DIR": str(tokens),
        "SAFESIGNAL_CONFIG_KEY_FILE": str(configuration),
        "SAFESIGNAL_ALLOWED_HOSTS": "safesignal.example",
        "SAFESIGNAL_BASE_URL": "https://safesignal.example",
        "DATABASE_URL": database.format(role="app"),
        "VALKEY_URL": f"unix://{nowhere}/valkey?db=0",
        "CACHE_URL": f"unix://{nowhere}/valkey?db=1",
        "CELERY_BROKER_URL": f"redis+socket://{nowhere}/valkey",
    }


def broker(place: Layout, ports: Ports) -> Environment:
    """Return the embedded broker's settings: its port and certificates."""
    return {
        **base(place),
        "SAFESIGNAL_BROKER_HOST": HOST,
        "SAFESIGNAL_BROKER_PORT": str(ports.mqtt),
        "SAFESIGNAL_BROKER_PKI": str(place.pki),
    }


def edge(place: Layout, ports: Ports, gateway_id: str, identity: Identity) -> Environment:
    """Return the gateway's settings: of the cloud only its URL and the public configuration key."""
    return {
        **base(place),
        "SAFESIGNAL_EDGE_CLOUD_URL": base_url(ports),
        "SAFESIGNAL_EDGE_GATEWAY_ID": gateway_id,
        "SAFESIGNAL_EDGE_KEY_FILE": str(place.keys / GATEWAY_KEY),
        "SAFESIGNAL_EDGE_CONFIG_PUBLIC_KEY_FILE": str(place.keys / CONFIGURATION_PUBLIC_KEY),
        "SAFESIGNAL_EDGE_STATE_DIR": str(place.edge),
        "SAFESIGNAL_EDGE_MQTT_HOST": HOST,
        "SAFESIGNAL_EDGE_MQTT_PORT": str(ports.mqtt),
        "SAFESIGNAL_EDGE_MQTT_CA": str(place.pki / "root.pem"),
        "SAFESIGNAL_EDGE_MQTT_CERT": str(identity.certificate),
        "SAFESIGNAL_EDGE_MQTT_KEY": str(identity.key),
    }


def button(place: Layout, ports: Ports, device: str) -> Environment:
    """Return the simulated button's settings."""
    return {
        **base(place),
        "SAFESIGNAL_BUTTON_DEVICE": device,
        "SAFESIGNAL_BUTTON_PKI": str(place.pki),
        "SAFESIGNAL_BUTTON_STATE_DIR": str(place.buttons),
        "SAFESIGNAL_BUTTON_SOCKET": str(place.button_socket),
        "SAFESIGNAL_BUTTON_MQTT_PORT": str(ports.mqtt),
    }


def base_url(ports: Ports) -> str:
    """Return the URL of the cloud for people and the gateway."""
    return f"http://{HOST}:{ports.http}"


def python() -> str:
    """Return the Python of this virtual environment."""
    return str(Path(sys.prefix) / "bin" / "python")
