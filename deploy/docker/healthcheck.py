#!/usr/bin/env python3
"""Check the process in this container. Exit 0 if it is healthy, else 1 with one line.

healthcheck.py http http://127.0.0.1:8000/health/ready    returns 200 to a request with our own host name
healthcheck.py connected mosquitto 8883                    has an open TCP connection to that service
healthcheck.py fresh FOLDER SECONDS                        has written a file of FOLDER in the last SECONDS
"""

import os
import socket
import struct
import sys
import time
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 4
ESTABLISHED = "01"


def http(url: str) -> str | None:
    """Return what is wrong with the response of `url`, or None. Requests the public host name, as people do."""
    parts = urlsplit(url)
    host = urlsplit(os.environ.get("SAFESIGNAL_BASE_URL", "")).netloc or parts.netloc
    connection = HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", parts.path or "/", headers={"Host": host})
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"{url}: {error}"
    finally:
        connection.close()
    return None if status == HTTPStatus.OK else f"{url} answered {status}"


def connected(host: str, port: int, table: Path = Path("/proc/net/tcp")) -> str | None:
    """Return what is wrong with our connection to `host`, or None if one is open, from the kernel's table (proc(5))."""
    try:
        found = socket.getaddrinfo(host, port, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except OSError as error:
        return f"{host}: {error}"
    wanted = {f"{struct.unpack('=I', socket.inet_aton(str(address[4][0])))[0]:08X}:{port:04X}" for address in found}
    rows = (line.split() for line in table.read_text().splitlines()[1:])
    return (
        None if any(row[2] in wanted and row[3] == ESTABLISHED for row in rows) else f"not connected to {host}:{port}"
    )


def fresh(folder: Path, seconds: float) -> str | None:
    """Return what is wrong with the age of the newest file in `folder`, or None."""
    newest = max((entry.stat().st_mtime for entry in folder.glob("*") if entry.is_file()), default=None)
    if newest is None:
        return f"{folder} has no file"
    age = time.time() - newest
    return None if age <= seconds else f"{folder} was written {age:.0f} s ago, more than {seconds:.0f} s"


def main(arguments: list[str]) -> str | None:
    """Return what is wrong, or None; the usage if the arguments match none of the three checks."""
    match arguments:
        case ["http", url]:
            return http(url)
        case ["connected", host, port]:
            return connected(host, int(port))
        case ["fresh", folder, seconds]:
            return fresh(Path(folder), float(seconds))
        case _:
            return __doc__


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
