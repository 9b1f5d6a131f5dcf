"""Logs as JSON lines on standard error: what happened, in which request; never personal data or a secret.

All records of Python's `logging`, from us or a library, are written in the same form as the gateway's
(`edge_agent/logs.py`): `at`, `level`, `event`, `from`, `request_id`, then the fields given as `extra`.
"""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any, Final

from apps.common.observability import request_ids
from apps.common.times import rfc3339

REDACTED: Final = "[redacted]"
SECRET_KEYS: Final = re.compile(
    r"passw|secret|token|refresh|^access$|authorization|cookie|session|api_?key|private|otp|recovery|credential"
    r"|e_?mail|phone|first_name|last_name|full_name|address|user_agent|^ip$|^request$",
    re.IGNORECASE,
)
"""Fields whose values are never logged: secrets, and personal data."""
SECRET_TEXT: Final = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"  # an e-mail address
    r"|eyJ[\w-]{10,}\.[\w-]+\.[\w-]*"  # a JWT
    r"|(?<=bearer )\S+"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)",  # the credentials of a URL
    re.IGNORECASE,
)
"""The same within a text: exceptions of libraries quote their input."""
_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """Formats a record as JSON, with its `extra` fields as fields of the line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        line: dict[str, object] = {
            "at": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "from": record.name,
        }
        if (request_id := request_ids.current()) is not None:
            line["request_id"] = request_id
        line.update({key: value for key, value in record.__dict__.items() if key not in _STANDARD})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(redact("", line), default=_text, ensure_ascii=False)


def redact(key: str, value: object) -> object:
    """Return the value without secrets and personal data, at any depth."""
    if SECRET_KEYS.search(key):
        return REDACTED
    if isinstance(value, str):
        return SECRET_TEXT.sub(REDACTED, value)
    if isinstance(value, dict):
        return {str(name): redact(str(name), part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact("", part) for part in value]
    return value


def _text(value: object) -> object:
    return redact("", str(value))


def configuration(level: str) -> dict[str, Any]:
    """Return Django's LOGGING. The lines of requests record refusals; `django.request` only logs our own defects."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "apps.common.observability.logs.JsonLines"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django": {"level": "INFO", "handlers": [], "propagate": True},
            "django.request": {"level": "ERROR"},
        },
    }
