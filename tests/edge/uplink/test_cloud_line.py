"""TLS to the cloud with mismatched dates: the cloud corrects the clock, and an old certificate proves nothing."""

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
"""The system clock of these tests is years off: it shows today, while the cloud's certificate is of that day."""
YEAR = timedelta(days=365)


@asynccontextmanager
async def cloud_of(authority: Authority, certificate_at: datetime, *, date: datetime) -> AsyncIterator[int]:
    """Run an HTTPS server with a certificate of one date whose responses carry another; yield its port."""
    pair = authority.issue(f"cloud-{certificate_at:%Y%m%d}", at=certificate_at)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        header = format_datetime(date, usegmt=True)
        writer.write(f"HTTP/1.1 204 No Content\r\nDate: {header}\r\nConnection: close\r\n\r\n".encode())
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


async def test_cloud_sets_clock_when_only_dates_fail(line: CloudLine, authority: Authority) -> None:
    """The first connection fails on dates; the response to the next one sets the clock."""
    async with cloud_of(authority, LONG_AGO, date=LONG_AGO) as port:
        with pytest.raises(httpx.ConnectError):
            await get(line, port)
        assert (await get(line, port)).status_code == httpx.codes.NO_CONTENT
        assert abs(line.clock.now() - LONG_AGO) < timedelta(minutes=1)
        assert line.clock.fault is not None
        assert (await get(line, port)).status_code == httpx.codes.NO_CONTENT


async def test_expired_certificate_is_refused_by_date_of_response(line: CloudLine, authority: Authority) -> None:
    async with cloud_of(authority, LONG_AGO, date=datetime.now(UTC)) as port:
        for _ in range(3):
            with pytest.raises(httpx.ConnectError):
                await get(line, port)
    assert not line.clock.confirmed


async def test_certificate_expired_before_floor_is_refused(line: CloudLine, authority: Authority) -> None:
    """A leaked old key cannot set the clock back with its certificate and a matching date."""
    before = LONG_AGO - 2 * YEAR
    async with cloud_of(authority, before, date=before) as port:
        for _ in range(3):
            with pytest.raises(httpx.ConnectError):
                await get(line, port)
    assert not line.clock.confirmed


async def test_unknown_authority_is_refused_without_date_check(
    line: CloudLine, authority: Authority, tmp_path: Path
) -> None:
    line.doubt_dates()
    async with cloud_of(Authority(tmp_path / "other"), LONG_AGO, date=LONG_AGO) as port:
        with pytest.raises(httpx.ConnectError):
            await get(line, port)


async def test_date_check_is_restored_once_system_clock_is_correct(line: CloudLine, authority: Authority) -> None:
    line.doubt_dates()
    now = datetime.now(UTC)
    async with cloud_of(authority, now, date=now) as port:
        await get(line, port)
    async with cloud_of(authority, LONG_AGO, date=now) as port:
        with pytest.raises(httpx.ConnectError):
            await get(line, port)
    assert line.clock.confirmed and line.clock.fault is None
