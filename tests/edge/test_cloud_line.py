"""TLS to the cloud when dates do not fit: the cloud sets the clock right, and an old certificate proves nothing."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest

from edge_agent.clock import Clock
from edge_agent.settings import Settings
from edge_agent.uplink.cloud import CloudLine
from tests.edge.support.authority import Authority

LONG_AGO = datetime(2020, 5, 1, tzinfo=UTC)
"""The system clock of these tests is years off: it says today, where the cloud's certificate is of that day."""
YEAR = timedelta(days=365)


@asynccontextmanager
async def cloud_of(authority: Authority, certificate_at: datetime, *, says: datetime) -> AsyncIterator[int]:
    """An HTTPS server with a certificate of one time, whose answers carry another; its port."""
    pair = authority.issue(f"cloud-{certificate_at:%Y%m%d}", at=certificate_at)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        date = format_datetime(says, usegmt=True)
        writer.write(f"HTTP/1.1 204 No Content\r\nDate: {date}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


@pytest.fixture
def line(
    gateway_settings: Settings, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> CloudLine:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    return CloudLine(gateway_settings, Clock(tmp_path, floor=LONG_AGO - YEAR))


async def get(line: CloudLine, port: int) -> httpx.Response:
    async with line.client() as http:
        return await http.get(f"https://127.0.0.1:{port}/")


async def test_clock_is_learned_from_the_cloud_when_only_dates_fail(line: CloudLine, authority: Authority) -> None:
    """The first connection fails by its dates, the next one brings the time."""
    async with cloud_of(authority, LONG_AGO, says=LONG_AGO) as port:
        with pytest.raises(httpx.ConnectError):
            await get(line, port)
        assert (await get(line, port)).status_code == httpx.codes.NO_CONTENT
        assert abs(line.clock.now() - LONG_AGO) < timedelta(minutes=1)
        assert line.clock.fault is not None
        assert (await get(line, port)).status_code == httpx.codes.NO_CONTENT


async def test_expired_certificate_is_refused_when_the_cloud_itself_says_so(
    line: CloudLine, authority: Authority
) -> None:
    async with cloud_of(authority, LONG_AGO, says=datetime.now(UTC)) as port:
        for _ in range(3):
            with pytest.raises(httpx.ConnectError):
                await get(line, port)
    assert not line.clock.confirmed


async def test_certificate_that_ended_before_the_floor_is_refused(line: CloudLine, authority: Authority) -> None:
    """A key that leaked years ago: its certificate and a date that fits it set no gateway back."""
    before = LONG_AGO - 2 * YEAR
    async with cloud_of(authority, before, says=before) as port:
        for _ in range(3):
            with pytest.raises(httpx.ConnectError):
                await get(line, port)
    assert not line.clock.confirmed


async def test_another_authority_is_refused_with_dates_left_out(
    line: CloudLine, authority: Authority, tmp_path: Path
) -> None:
    line.doubt_dates()
    async with cloud_of(Authority(tmp_path / "other"), LONG_AGO, says=LONG_AGO) as port:
        with pytest.raises(httpx.ConnectError):
            await get(line, port)


async def test_dates_are_checked_by_openssl_again_once_the_system_clock_is_right(
    line: CloudLine, authority: Authority
) -> None:
    line.doubt_dates()
    now = datetime.now(UTC)
    async with cloud_of(authority, now, says=now) as port:
        await get(line, port)
    async with cloud_of(authority, LONG_AGO, says=now) as port:
        with pytest.raises(httpx.ConnectError):
            await get(line, port)
    assert line.clock.confirmed and line.clock.fault is None
