"""Certificate date checks outside OpenSSL, which would rely on a system clock that may be wrong."""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime

NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python does not define: check chain and name, but not dates."""


def leave_dates_out(context: ssl.SSLContext, *, out: bool) -> None:
    """Set whether OpenSSL skips the date check on future connections."""
    flags = context.verify_flags
    context.verify_flags = ssl.VerifyFlags(flags | NO_CHECK_TIME if out else flags & ~NO_CHECK_TIME)


def dates_left_out(context: ssl.SSLContext) -> bool:
    """Whether OpenSSL skips the date check."""
    return bool(context.verify_flags & NO_CHECK_TIME)


def dates(certificate: Mapping[str, object]) -> tuple[datetime, datetime]:
    """Return the start and end of validity of a certificate in the form of `getpeercert`."""

    def read(name: str) -> datetime:
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate[name])), UTC)

    return read("notBefore"), read("notAfter")
