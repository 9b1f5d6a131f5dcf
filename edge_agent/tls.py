"""Certificates whose dates are checked here, since OpenSSL would go by a system clock that may be wrong."""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime

NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python does not name: chain and name are checked, dates are not."""


def leave_dates_out(context: ssl.SSLContext, *, out: bool) -> None:
    """Whether OpenSSL checks dates, for connections to come."""
    flags = context.verify_flags
    context.verify_flags = ssl.VerifyFlags(flags | NO_CHECK_TIME if out else flags & ~NO_CHECK_TIME)


def dates_left_out(context: ssl.SSLContext) -> bool:
    """Whether OpenSSL does not check dates."""
    return bool(context.verify_flags & NO_CHECK_TIME)


def dates(certificate: Mapping[str, object]) -> tuple[datetime, datetime]:
    """From when and until when a certificate, as `getpeercert` gives it, is valid."""

    def read(name: str) -> datetime:
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate[name])), UTC)

    return read("notBefore"), read("notAfter")
