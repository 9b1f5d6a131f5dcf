"""The environment is read once; each invalid setting is reported in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.settings import PREFIX, Settings, SettingsError
from tests.edge.support.authority import Authority, private_pem, public_pem
from tests.edge.support.school import GATEWAY

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(tmp_path: Path, authority: Authority) -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "key.pem").write_bytes(private_pem(key))
    (tmp_path / "public.pem").write_bytes(public_pem(key))
    pair = authority.issue(f"gateway-{GATEWAY}")
    return {
        f"{PREFIX}{name}": str(value)
        for name, value in {
            "CLOUD_URL": "https://cloud.example/",
            "GATEWAY_ID": GATEWAY.upper(),
            "KEY_FILE": tmp_path / "key.pem",
            "CONFIG_PUBLIC_KEY_FILE": tmp_path / "public.pem",
            "STATE_DIR": tmp_path / "state",
            "MQTT_HOST": "127.0.0.1",
            "MQTT_PORT": 8883,
            "MQTT_CA": authority.certificate,
            "MQTT_CERT": pair.cert,
            "MQTT_KEY": pair.key,
        }.items()
    }


def test_settings_are_read_from_environment(environment: dict[str, str]) -> None:
    settings = Settings.read(environment)
    assert settings.cloud_url == "https://cloud.example" and settings.gateway_id == GATEWAY


def test_each_setting_is_required(environment: dict[str, str]) -> None:
    for name in environment:
        with pytest.raises(SettingsError, match=f"^{name} is not set$"):
            Settings.read({**environment, name: " "})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLOUD_URL", "cloud.example"),
        ("CLOUD_URL", "http://cloud.example"),
        ("GATEWAY_ID", "gateway-1"),
        ("KEY_FILE", "/nowhere"),
        ("KEY_FILE", __file__),
        ("CONFIG_PUBLIC_KEY_FILE", __file__),
        ("MQTT_PORT", "0"),
        ("MQTT_PORT", "eight"),
        ("MQTT_CA", "/nowhere"),
    ],
)
def test_error_names_invalid_setting(environment: dict[str, str], name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{PREFIX}{name}: ") as raised:
        Settings.read({**environment, PREFIX + name: value})
    assert "\n" not in str(raised.value)


def test_keys_of_other_curves_are_rejected(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(private_pem(ec.generate_private_key(ec.SECP384R1())))
    with pytest.raises(SettingsError, match="not a P-256 private key"):
        Settings.read(environment)


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge_agent", *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=30,
    )


@pytest.mark.slow
def test_check_option_validates_settings(environment: dict[str, str]) -> None:
    good = run(environment, "--check")
    assert (good.returncode, good.stdout) == (0, "edge_agent: the settings are valid\n")
    bad = run({}, "--check")
    assert (bad.returncode, bad.stderr) == (2, f"edge_agent: {PREFIX}CLOUD_URL is not set\n")


@pytest.mark.slow
def test_help_names_every_setting(environment: dict[str, str]) -> None:
    text = run({}, "--help").stdout
    assert all(name.removeprefix(PREFIX) in text for name in environment)


@pytest.mark.slow
def test_gateway_imports_no_cloud_package() -> None:
    """The gateway runs in its own process and imports neither Django nor packages of the cloud."""
    code = "import sys, edge_agent.__main__; print([n for n in sys.modules if n.split('.')[0] in sys.argv[1:]])"
    done = subprocess.run(
        [sys.executable, "-c", code, "django", "apps", "safesignal", "devstack", "contracts"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert done.stdout == "[]\n"
