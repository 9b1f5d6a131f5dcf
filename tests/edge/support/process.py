"""The `python -m edge_agent` process."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.settings import PREFIX
from tests.edge.support.authority import Authority, private_pem, public_pem
from tests.edge.support.cloud import Cloud
from tests.kit.patience import WAIT_SECONDS

ROOT = Path(__file__).parents[3]
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
"""Debian's package `libfaketime`."""


class AgentProcess:
    def __init__(
        self,
        folder: Path,
        authority: Authority,
        cloud: Cloud,
        key: ec.EllipticCurvePrivateKey,
        mqtt_port: int,
        *,
        time: str | None = None,
    ) -> None:
        """`time` is its system clock in the format of faketime(1), such as `@1970-01-01 00:00:30` or `+401d`; see
        `set_time`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "key.pem").write_bytes(private_pem(key))
        (folder / "config.pem").write_bytes(public_pem(cloud.config_key))
        pair = authority.issue(f"gateway-{cloud.gateway_id}")
        self.state = folder / "state"
        self._log = folder / "log"
        self._environment = {
            f"{PREFIX}{name}": str(value)
            for name, value in {
                "CLOUD_URL": cloud.url,
                "GATEWAY_ID": cloud.gateway_id,
                "KEY_FILE": folder / "key.pem",
                "CONFIG_PUBLIC_KEY_FILE": folder / "config.pem",
                "STATE_DIR": self.state,
                "MQTT_HOST": "127.0.0.1",
                "MQTT_PORT": mqtt_port,
                "MQTT_CA": authority.certificate,
                "MQTT_CERT": pair.cert,
                "MQTT_KEY": pair.key,
            }.items()
        }
        self._time = folder / "time"
        if time is not None:
            self.set_time(time)
            self._environment |= {
                "LD_PRELOAD": str(FAKETIME),
                "FAKETIME_TIMESTAMP_FILE": str(self._time),
                "FAKETIME_NO_CACHE": "1",
                "DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        self._process: subprocess.Popen[bytes] | None = None

    def set_time(self, time: str) -> None:
        """Step the system clock of the running process; `+0` is the correct time."""
        part = self._time.with_suffix(".part")
        part.write_text(f"{time}\n")
        part.replace(self._time)

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "edge_agent"],
                env={**os.environ, **self._environment},
                stderr=log,
                cwd=ROOT,
            )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop the process and return its exit status, 0 if it is not running."""
        if self._process is None:
            return 0
        self._process.send_signal(how)
        code = self._process.wait(WAIT_SECONDS)
        self._process = None
        return code

    def second(self) -> subprocess.CompletedProcess[str]:
        """Run a second instance with the same state directory."""
        return subprocess.run(
            [sys.executable, "-m", "edge_agent"],
            env={**os.environ, **self._environment},
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
            timeout=WAIT_SECONDS,
        )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log(self) -> list[dict[str, object]]:
        """Return all complete log lines; a line that is not JSON fails the test."""
        if not self._log.exists():
            return []
        ended, _, _ = self._log.read_text().rpartition("\n")
        return [json.loads(line) for line in ended.splitlines()]

    def logged(self, event: str) -> int:
        return sum(line["event"] == event for line in self.log())
