"""The two TCP ports, both on 127.0.0.1; all other connections use Unix sockets."""

import os
import socket
from dataclasses import dataclass

from devstack.errors import Refusal

HOST = "127.0.0.1"
HIGHEST = 65_535


@dataclass(frozen=True)
class Ports:
    """The ports of the web application and the broker."""

    http: int
    mqtt: int


def wanted() -> Ports:
    """Return the ports set in the environment, checked to be free; 0 picks a free one."""
    return Ports(http=_free("SAFESIGNAL_HTTP_PORT", 8000, "web"), mqtt=_free("SAFESIGNAL_MQTT_PORT", 8883, "MQTT"))


def _free(variable: str, default: int, what: str) -> int:
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal() or int(text) > HIGHEST:
        raise Refusal(f"{variable} must be a port number from 0 to {HIGHEST}, not {text!r}.")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: otherwise a port in TIME_WAIT after ./dev down would look occupied.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, int(text)))
            probe.listen()
        except PermissionError:
            reason = f"needs rights that this user does not have: set {variable} above 1023"
            raise Refusal(f"Port {text} for {what} {reason}.") from None
        except OSError:
            reason = f"is in use on {HOST}: stop the other program, or set {variable} to another"
            raise Refusal(f"Port {text} for {what} {reason}.") from None
        port: int = probe.getsockname()[1]
        return port
