"""Connections to the cloud: TLS that survives a wrong system clock, and the time from response dates."""

import logging
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from edge_agent.clock import Clock
from edge_agent.settings import Settings
from edge_agent.tls import dates, dates_left_out, leave_dates_out

log = logging.getLogger(__name__)

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_ABOUT_DATES = frozenset({9, 10})
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED."""
_ASKED_AT = "safesignal.asked_at"


class CertificateDateError(ssl.SSLError):
    """The cloud's certificate is not valid at this time."""


class CloudLine:
    """Shared parts of all connections to the cloud.

    TLS checks chain, name and dates. If only the dates fail, later connections skip OpenSSL's date check, because it
    relies on the system clock. Then the certificate must not have expired before the floor, and the date of a response
    must lie within its validity. With that time the dates are checked here, and by OpenSSL again once the system clock
    is right.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.clock = clock
        self.tls = httpx.create_ssl_context()
        self.tls.sslobject_class = _checked_by(self)
        self._settings = settings

    def client(self) -> httpx.AsyncClient:
        """Return an HTTP client; each response sets the clock."""
        return httpx.AsyncClient(
            base_url=self._settings.cloud_url,
            timeout=TIMEOUT,
            trust_env=not self._settings.cloud_is_here,
            verify=self.tls,
            event_hooks={"request": [self._ask], "response": [self._learn]},
        )

    def doubt_dates(self) -> None:
        """Skip OpenSSL's date check after only the dates failed: the system clock may be wrong."""
        if not dates_left_out(self.tls):
            log.warning("the dates of the cloud's certificate do not match the system clock")
            leave_dates_out(self.tls, out=True)

    def check_dates(self, certificate: Mapping[str, object]) -> None:
        """Check the dates by the known time if OpenSSL did not; raise CertificateDateError."""
        if not dates_left_out(self.tls):
            return
        begin, end = dates(certificate)
        now = self.clock.now() if self.clock.confirmed else None
        if end < self.clock.floor or (now is not None and not begin <= now <= end):
            raise CertificateDateError(f"the cloud's certificate is valid from {begin} to {end}")

    async def _ask(self, request: httpx.Request) -> None:
        request.extensions[_ASKED_AT] = self.clock.elapsed()

    async def _learn(self, response: httpx.Response) -> None:
        reported = _date(response.headers.get("Date"))
        connection = response.extensions["network_stream"].get_extra_info("ssl_object")
        if reported is None:
            return
        unproved = connection is not None and dates_left_out(self.tls)
        if unproved:
            begin, end = dates(connection.getpeercert())
            if not begin <= reported <= end:
                raise httpx.ConnectError("the cloud's certificate was not valid at the time that the cloud reports")
        before = self.clock.fault
        if self.clock.confirm(reported, response.request.extensions[_ASKED_AT], proved=not unproved):
            if self.clock.fault is None:
                leave_dates_out(self.tls, out=False)
            elif before != self.clock.fault:
                log.warning("the clock follows the cloud's time", extra={"reason": self.clock.fault})


def _checked_by(line: CloudLine) -> type[ssl.SSLObject]:
    class Checked(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except ssl.SSLCertVerificationError as error:
                if error.verify_code in _ABOUT_DATES:
                    line.doubt_dates()
                raise
            certificate = self.getpeercert()
            if certificate:
                line.check_dates(certificate)

    return Checked


def _date(text: str | None) -> datetime | None:
    try:
        return None if text is None else parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
