"""What the tests of the gateway share."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.settings import Settings
from tests.edge.support.authority import Authority
from tests.edge.support.cloud import Cloud
from tests.edge.support.school import GATEWAY, configuration


@dataclass
class Keys:
    gateway: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def cloud(keys: Keys) -> AsyncIterator[Cloud]:
    cloud = Cloud(GATEWAY, keys.gateway.public_key())
    cloud.configuration = configuration()
    await cloud.start()
    yield cloud
    await cloud.stop()


@pytest.fixture
def gateway_settings(cloud: Cloud, keys: Keys, tmp_path: Path) -> Settings:
    state = tmp_path / "gateway"
    state.mkdir()
    nowhere = tmp_path / "nowhere"
    return Settings(
        cloud_url=cloud.url,
        gateway_id=GATEWAY,
        key=keys.gateway,
        config_public_key=cloud.config_key.public_key(),
        state_dir=state,
        mqtt_host="127.0.0.1",
        mqtt_port=1,
        mqtt_ca=nowhere,
        mqtt_cert=nowhere,
        mqtt_key=nowhere,
    )


@pytest.fixture
async def http(gateway_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway_settings.cloud_url, timeout=5) as client:
        yield client
        await asyncio.sleep(0)
