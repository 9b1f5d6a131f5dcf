"""Logs as JSON, a line each, on standard error: what happened, to which press or alert; never who."""

import json
import logging
import sys

from edge_agent import times

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """`extra` fields of a record become fields of the line."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
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
    """Once, at start. The libraries speak only of what is wrong."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("mqtt").setLevel(logging.ERROR)  # aiomqtt counts its pending calls aloud
    logging.getLogger("edge_agent").setLevel(level)
