"""Runs of the benchmarks at minimal sizes. Their measurements are for people: no time is asserted here."""

import os
import subprocess
import sys

import pytest

from devstack.machine.paths import ROOT

pytestmark = pytest.mark.slow


def bench(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows(printed: str) -> list[list[str]]:
    """Return the cells of every row except the headings."""
    return [
        [cell.strip() for cell in line.strip("│").split("│")] for line in printed.splitlines() if line.startswith("│")
    ]


def test_ingest_and_live_run_in_one_process() -> None:
    """Ingest prints service, COPY and their ratio. Live fails by itself when a screen misses an alert."""
    sizes = ("--alerts", "40", "--batch", "10", "--schools", "3", "--rounds", "1", "--processes", "2")
    table = rows(bench("ingest", "live", *sizes, "--clients", "5", "--messages", "3"))
    case = [
        "ingest, {}, 2 senders, batches of 10",
        "raw COPY of the same rows, same number of senders",
        "ingest relative to COPY",
    ]
    assert [row[0] for row in table[:6]] == [line.format(name) for name in ("one school", "3 schools") for line in case]
    assert [row[2] for row in table[:6]] == ["≥ 10,000 alerts/s", "", "≥ 20.0 %"] * 2
    before = "5 screens of one school, 3 alerts: just before COMMIT -> on a screen"
    assert [row[0] for row in table[6:8]] == [f"{before}, p50", f"{before}, p99"]
    assert table[7][2] == "≤ 100.0 ms"


@pytest.mark.stack
def test_press_benchmark_runs_with_other_screens_connected() -> None:
    table = rows(bench("press", "--clients", "5", "--messages", "2"))
    assert table[0][0] == "2 presses, 5 other screens connected: press -> stored at the gateway, p50"
    assert [row[2] for row in table[1:3]] == ["≤ 100.0 ms", "≤ 300.0 ms"]
