"""Links, paths and names in the pages of this repository resolve."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        ROOT / "contracts" / "README.md",
        ROOT / "clients" / "README.md",
        ROOT / "firmware" / "README.md",
    ]
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
PATH = re.compile(r"`((?:apps|safesignal|edge_agent|deploy|devstack|contracts|firmware|tests|docs)/[\w./-]+)`")
VARIABLE = re.compile(r"`(SAFESIGNAL_[A-Z0-9_]+)`")


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and GitLab generate them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_resolves(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if re.match(r"^[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), link
        assert not anchor or anchor in anchors(there), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_named_path_and_test_exists(page: Path) -> None:
    text = page.read_text()
    for path in PATH.findall(text):
        assert (ROOT / path).exists() or list(ROOT.glob(f"{path}*")), path
    for path, name in TEST.findall(text):
        assert (ROOT / path).is_file(), path
        assert not name or re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), (
            f"{path}::{name}"
        )


def test_ci_runs_the_commands_of_the_readme() -> None:
    """All except the benchmarks, which take minutes and have tests of their own."""
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    named = re.findall(r"^\./dev [a-z]+|`\./dev [^`]+`|`--[a-z]+[^`]*`", readme, flags=re.MULTILINE)
    commands = {one.strip("`") for one in named} - {"./dev bench"}
    assert len(commands) > 10
    assert sorted(command for command in commands if command not in ci) == []


def test_every_threat_names_a_test() -> None:
    page = (ROOT / "docs" / "threat-model.md").read_text()
    tables = re.findall(r"^\| threat \|.+\n(?:\|.+\n)+", page, re.MULTILINE)
    rows = [row for table in tables for row in re.findall(r"^\| (.+) \| (.+) \| (.+) \|$", table, re.MULTILINE)]
    threats = [(threat, held) for threat, _, held in rows if threat != "threat" and "---" not in threat]
    assert len(threats) > 40
    assert [threat for threat, held in threats if not TEST.search(held)] == []


def test_every_settings_variable_is_documented() -> None:
    read = set(
        re.findall(r'"([A-Z][A-Z0-9_]*(?:_URL|_[A-Z0-9_]+))"', (ROOT / "safesignal" / "settings.py").read_text())
    )
    read = {name for name in read if name.startswith("SAFESIGNAL_") or name.endswith("_URL")} - {
        "LOGIN_URL",
        "SITE_URL",
    }
    text = (ROOT / "docs" / "operations.md").read_text()
    assert {name for name in read if f"`{name}`" not in text} == set()


def test_every_documented_variable_is_read() -> None:
    files = ("apps/common/limits.py", "dev", "docker-compose.yml")
    sources = [*ROOT.glob("safesignal/*.py"), *ROOT.glob("devstack/**/*.py"), *(ROOT / file for file in files)]
    text = "\n".join(source.read_text() for source in sources)
    named = {name for page in PAGES for name in VARIABLE.findall(page.read_text())}
    assert {name for name in named if name not in text} == set()


def test_compose_file_starts_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"${{SAFESIGNAL_VERSION:-{version}}}" in (ROOT / "docker-compose.yml").read_text()
