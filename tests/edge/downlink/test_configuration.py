"""The gateway's configuration: verified, stored, never replaced by an older version."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.downlink.configuration import FILE, ConfigurationKeeper
from edge_agent.messages.cloud import Configuration
from edge_agent.settings import Settings
from edge_agent.uplink.credentials import Credentials
from tests.edge.support.cloud import Cloud, Json
from tests.edge.support.rig import until
from tests.edge.support.school import configuration


@asynccontextmanager
async def keeping(
    settings: Settings, http: httpx.AsyncClient
) -> AsyncIterator[tuple[ConfigurationKeeper, list[Configuration]]]:
    applied: list[Configuration] = []
    keeper = ConfigurationKeeper(settings, http, Credentials(settings, http), applied.append)
    keeper.load()
    running = asyncio.get_running_loop().create_task(keeper.run())
    yield keeper, applied
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_configuration_is_stored_and_used_without_cloud(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    async with keeping(gateway_settings, http) as (_, applied):
        await until(lambda: applied and (gateway_settings.state_dir / FILE).exists())
    await cloud.stop()
    async with keeping(gateway_settings, http) as (keeper, applied):
        assert [one.version for one in applied] == [7] and keeper.version == 7


async def test_newer_configuration_is_applied_after_notification(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud
) -> None:
    async with keeping(gateway_settings, http) as (keeper, applied):
        await until(lambda: applied)
        keeper.changed()
        cloud.configuration = configuration(version=8)
        keeper.changed()
        await until(lambda: keeper.version == 8)
        assert [one.version for one in applied] == [7, 8]


def _older(_cloud: Cloud) -> Json:
    return configuration(version=6)


def _another_gateways(_cloud: Cloud) -> Json:
    return configuration(version=9, gateway="00000000-0000-0000-0000-000000000009")


def _of_another_shape(_cloud: Cloud) -> Json:
    return {**configuration(version=9), "v": 2}


def _not_signed_by_the_pinned_key(cloud: Cloud) -> Json:
    cloud.config_key = ec.generate_private_key(ec.SECP256R1())
    return configuration(version=9)


@pytest.mark.parametrize("bad", [_older, _another_gateways, _of_another_shape, _not_signed_by_the_pinned_key])
async def test_invalid_configuration_is_rejected_and_last_valid_one_kept(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud, bad: object, caplog: pytest.LogCaptureFixture
) -> None:
    """Versions only increase; signature, type and gateway are checked before the content."""
    assert callable(bad)
    async with keeping(gateway_settings, http) as (keeper, applied):
        await until(lambda: applied and (gateway_settings.state_dir / FILE).exists())
        kept = (gateway_settings.state_dir / FILE).read_bytes()
        cloud.configuration = bad(cloud)
        keeper.changed()
        await until(lambda: "a configuration was rejected" in caplog.text)
        assert keeper.version == 7 and len(applied) == 1
    assert (gateway_settings.state_dir / FILE).read_bytes() == kept


@pytest.mark.parametrize(
    "forged",
    [
        lambda payload, key: jwt.PyJWS().encode(payload, key, algorithm="ES256"),
        lambda payload, _: jwt.PyJWS().encode(payload, "", algorithm="none", headers={"typ": "ss-config+jwt"}),
        lambda payload, _: jwt.PyJWS().encode(payload, "x" * 32, algorithm="HS256", headers={"typ": "ss-config+jwt"}),
        lambda _payload, _key: "nonsense",
    ],
    ids=["another message type", "no signature", "another algorithm", "nonsense"],
)
async def test_forged_copy_on_disk_is_rejected(
    gateway_settings: Settings, http: httpx.AsyncClient, cloud: Cloud, forged: object
) -> None:
    assert callable(forged)
    good = cloud.signed_configuration()
    payload = jwt.PyJWS().decode(good, options={"verify_signature": False})
    (gateway_settings.state_dir / FILE).write_text(str(forged(payload, cloud.config_key)))
    keeper = ConfigurationKeeper(gateway_settings, http, Credentials(gateway_settings, http), lambda _: None)
    assert not keeper.load()


async def test_configuration_is_applied_when_disk_is_not_writable(
    gateway_settings: Settings, http: httpx.AsyncClient
) -> None:
    nowhere = replace(gateway_settings, state_dir=gateway_settings.state_dir / "not there")
    async with keeping(nowhere, http) as (_, applied):
        await until(lambda: applied)
