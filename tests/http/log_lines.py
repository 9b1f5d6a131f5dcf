"""The log of a test, as it would be written."""

import json
import logging

from apps.common.observability.logs import JsonLines


class Lines(logging.Handler):
    """A log handler that decodes each formatted line."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(JsonLines())
        self.lines: list[dict[str, object]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))
