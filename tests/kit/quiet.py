"""Silence where a log line for each response would hide the failure of a test."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

LOGGERS = ("django.request", "apps.common.http.requests", "httpx")


@contextmanager
def without_request_log() -> Iterator[None]:
    """Log no requests within the block; afterwards every level is as it was, for the tests of the log."""
    levels = {logging.getLogger(name): logging.getLogger(name).level for name in LOGGERS}
    for logger in levels:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
