"""The way to the cloud: TLS that a wrong system clock does not close for ever, and the time that answers bring."""

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
    """The cloud's certificate is not of this time."""


class CloudLine:
    """What every connection to the cloud has in common.

    TLS checks chain, name and dates. Only when the dates are what fails, the next connections leave OpenSSL's check of
    dates out, because it goes by the system clock: then the certificate must not have ended before the floor, and the
    time that an answer brings must lie within the certificate's dates. With that time the dates are checked here, and
    once the system clock is right, by OpenSSL again.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.clock = clock
        self.tls = httpx.create_ssl_context()
        self.tls.sslobject_class = _checked_by(self)
        self._settings = settings

    def client(self) -> httpx.AsyncClient:
        """For requests; each answer sets the clock right."""
        return httpx.AsyncClient(
            base_url=self._settings.cloud_url,
            timeout=TIMEOUT,
            trust_env=not self._settings.cloud_is_here,
            verify=self.tls,
            event_hooks={"request": [self._ask], "response": [self._learn]},
        )

    def doubt_dates(self) -> None:
        """A certificate failed by its dates alone: the system clock may be what is wrong."""
        if not dates_left_out(self.tls):
            log.warning("the dates of the cloud's certificate do not fit the system clock")
            leave_dates_out(self.tls, out=True)

    def check_dates(self, certificate: Mapping[str, object]) -> None:
        """By what is known of the time, where OpenSSL did not. CertificateDateError."""
        if not dates_left_out(self.tls):
            return
        begin, end = dates(certificate)
        now = self.clock.now() if self.clock.confirmed else None
        if end < self.clock.floor or (now is not None and not begin <= now <= end):
            raise CertificateDateError(f"the cloud's certificate is good from {begin} to {end}")

    async def _ask(self, request: httpx.Request) -> None:
        request.extensions[_ASKED_AT] = self.clock.elapsed()

    async def _learn(self, response: httpx.Response) -> None:
        told = _date(response.headers.get("Date"))
        connection = response.extensions["network_stream"].get_extra_info("ssl_object")
        if told is None:
            return
        unproved = connection is not None and dates_left_out(self.tls)
        if unproved:
            begin, end = dates(connection.getpeercert())
            if not begin <= told <= end:
                raise httpx.ConnectError("the cloud's certificate is not of the time that the cloud says")
        before = self.clock.fault
        if self.clock.confirm(told, response.request.extensions[_ASKED_AT], proved=not unproved):
            if self.clock.fault is None:
                leave_dates_out(self.tls, out=False)
            elif before != self.clock.fault:
                log.warning("the clock is corrected by the cloud's", extra={"reason": self.clock.fault})


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
