"""Logs as JSON lines on standard error: events with their press or alert, never with a person."""

import json
import logging
import sys

from edge_agent import times

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """Formatter that adds the `extra` fields of a record to the line."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line."""
        line: dict[str, object] = {
            "at": times.text(times.now()),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "from": record.name.removeprefix("edge_agent."),
        }
        line.update({key: value for key, value in record.__dict__.items() if key not in _STANDARD})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def set_up(level: int = logging.INFO) -> None:
    """Configure logging at startup. Libraries log warnings and errors only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("mqtt").setLevel(logging.ERROR)  # aiomqtt warns about its number of pending calls
    logging.getLogger("edge_agent").setLevel(level)
