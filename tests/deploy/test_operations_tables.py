"""The tables of limits and of retention in docs/operations.md are those of the code."""

from datetime import timedelta

from apps.common import retention
from apps.common.limits import LIMITS, GuessLimit, Limit, RequestLimit
from apps.common.retention import Months, Rule
from devstack.machine.paths import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
REQUIREMENTS = (ROOT / "docs" / "requirements.md").read_text()
UNITS = {"day": timedelta(days=1), "hour": timedelta(hours=1), "minute": timedelta(minutes=1)}


def rows_below(heading: str) -> list[str]:
    """Return the rows of the first table below a heading, without its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("|")][2:]


def duration(time: timedelta) -> str:
    if not time:
        return "not at all"
    unit = next(unit for unit, length in UNITS.items() if time % length == timedelta())
    return counted(time // UNITS[unit], unit)


def counted(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}"


def limit_row(limit: Limit) -> str:
    what = f"wrong {limit.what}" if isinstance(limit, GuessLimit) else limit.what.replace("_", " ")
    wait = f"{limit.longest_wait} seconds" if isinstance(limit, GuessLimit) else ""
    variable = f"`{limit.variable}`" if isinstance(limit, RequestLimit) else ""
    cells = (what, limit.per, f"{limit.count:,}", duration(limit.window), wait, variable, limit.reason)
    return f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in cells)}|"


def retention_row(rule: Rule) -> str:
    if isinstance(rule, Months):
        cells = (f"`{rule.subject}`", counted(rule.kept, "month"), "the end of its month; detached", rule.source)
    else:
        cells = (f"`{rule.subject}`", duration(rule.kept), rule.since, rule.source)
    return f"| {' | '.join(cells)} |"


def test_page_lists_every_rate_limit() -> None:
    assert rows_below("Rate limits") == [limit_row(limit) for limit in LIMITS]


def test_page_lists_every_retention_rule() -> None:
    assert rows_below("Retention") == [retention_row(rule) for rule in retention.registered()]


def test_requirement_of_a_retention_rule_exists() -> None:
    named = [rule.source.partition("requirement: ")[2] for rule in retention.registered()]
    assert [name for name in named if name and f"\n| {name} |" not in REQUIREMENTS] == []
    assert any(named)


def test_each_limit_is_counted_once() -> None:
    """Two rows for one counter would overwrite each other's figures."""
    counters = [(limit.what, limit.per, limit.window) for limit in LIMITS]
    assert len(set(counters)) == len(counters)
