#!/usr/bin/env python3
"""Put secrets into the environment, then execute the given command: `with_secrets.py COMMAND [ARGUMENT...]`.

`{secret:NAME}` in the value of an environment variable stands for the content of the file NAME in /run/secrets. So the
compose file names each secret, and none of them is in an image, in `docker inspect`, or in a shell's history. Inside a
longer value, a URL for example, the content is percent-encoded; as a whole value it is taken as it is.
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

PLACE = re.compile(r"\{secret:([A-Za-z0-9_.-]+)\}")


def fill(environment: Mapping[str, str], secrets: Path) -> dict[str, str]:
    """Return the environment with its secrets. Raises ValueError, which names the variable, for a missing file."""
    filled: dict[str, str] = {}
    for variable, value in environment.items():

        def content(match: re.Match[str], variable: str = variable, value: str = value) -> str:
            path = secrets / match[1]
            try:
                text = path.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ValueError(f"{variable} needs the secret {match[1]}: {error.strerror}: {path}") from error
            if not text:
                raise ValueError(f"{variable} needs the secret {match[1]}, and {path} is empty")
            return text if match[0] == value else quote(text, safe="")

        filled[variable] = PLACE.sub(content, value)
    return filled


def main(command: list[str]) -> None:
    """Replace this process by `command`; exit with one line on an error."""
    if not command:
        sys.exit("with_secrets: name a command to run")
    try:
        environment = fill(os.environ, Path("/run/secrets"))
    except ValueError as error:
        sys.exit(f"with_secrets: {error}")
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 - executing the command is the purpose
    except OSError as error:
        sys.exit(f"with_secrets: {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
