"""The two deployment forms of the cloud, for benchmarks and fault tests: one process, and separate processes behind the
shipped ingress.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from devstack.machine import credentials
from devstack.machine.paths import ROOT, Layout
from devstack.machine.ports import HOST, Ports
from devstack.stack import environments, readiness
from devstack.stack.supervisor import Supervisor
from devstack.testing.stack import free_ports

READY_SECONDS: Final = 60.0
UPSTREAMS: Final = ("gateways", "alarms", "live", "pages")


class NoIngress(Exception):
    """nginx is not installed on this machine."""


@contextmanager
def processes_apart(place: Layout, ports: Ports) -> Iterator[None]:
    """Replace the web process of a running SafeSignal with production's separate processes, at the same address.

    TLS is omitted, as it costs both forms the same. Raises NoIngress.
    """
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        raise NoIngress("nginx is not installed: apt-get install nginx-light")
    supervisor = Supervisor(place)
    environment = environments.cloud(place, credentials.credentials(place), ports)
    listening = dict(zip(UPSTREAMS, free_ports(len(UPSTREAMS)), strict=True))
    supervisor.stop_process("web")
    try:
        with ExitStack() as running, TemporaryDirectory(prefix="safesignal-ingress-") as folder:
            for role, port in listening.items():
                command = [environments.python(), "-m", "safesignal.serve", role, "--port", str(port)]
                log = running.enter_context((place.logs / f"{role}.log").open("ab"))
                running.enter_context(_running(command, environment, log))
            configuration = Path(folder) / "nginx.conf"
            configuration.write_text(plain_ingress(Path(folder), ports.http, listening))
            log = running.enter_context((place.logs / "ingress.log").open("ab"))
            running.enter_context(_running([nginx, "-c", str(configuration), "-p", folder], {}, log))
            _wait(lambda: readiness.web_answers(ports))
            yield
    finally:
        supervisor.start_process("web")
        _wait(lambda: readiness.web_answers(ports))


def plain_ingress(folder: Path, port: int, upstreams: Mapping[str, int]) -> str:
    """Return the shipped ingress configuration, on one local port and without TLS."""
    text = (ROOT / "deploy" / "ingress" / "nginx.conf").read_text()
    # Names are resolved again only by nginx 1.27.3 and later, and only Docker has that name server.
    text = re.sub(r"^\s*(resolver|zone|http2|ssl_\w+) .*\n", "", text, flags=re.MULTILINE)
    text = text.replace("listen 8443 ssl;", f"listen {HOST}:{port};").replace("listen 443 ssl;", "")
    for name, upstream in upstreams.items():
        text = text.replace(f"{name}:8000 resolve", f"{HOST}:{upstream}")
    text = text.replace("/tmp/", f"{folder}/").replace("/dev/stdout", f"{folder}/access.log")
    (alive,) = free_ports(1)
    text = text.replace("127.0.0.1:8081", f"{HOST}:{alive}")
    user = "user root;\n" if os.geteuid() == 0 else ""
    return f"{user}daemon off;\n{text}"


@contextmanager
def _running(command: list[str], environment: Mapping[str, str], log: object) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log)  # type: ignore[call-overload]
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _wait(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError("the web server does not respond")
        time.sleep(0.1)
