"""Every problem code is stable, explained once, and found at the URL in `type`."""

from collections import Counter
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver

from apps.common.http.problem_catalogue import PAGE_HEAD, catalogue, markdown
from apps.common.problems import Problem

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def family(problem: type[Problem]) -> list[type[Problem]]:
    return [problem, *(one for child in problem.__subclasses__() for one in family(child))]


def loaded() -> list[type[Problem]]:
    assert get_resolver().url_patterns
    return [one for one in family(Problem) if one.__module__.startswith("apps.")]


def test_problem_codes_are_unique() -> None:
    codes = Counter(one.code for one in loaded())
    assert [code for code, count in codes.items() if count > 1] == []


def test_every_problem_explains_its_meaning_and_remedy() -> None:
    assert loaded()
    for entry in catalogue().values():
        assert entry.meaning.endswith(".") and entry.advice.endswith("."), entry


def test_problems_page_is_up_to_date(capsys: object) -> None:
    assert loaded()
    page = (ROOT / "docs" / "problems.md").read_text()
    assert page == markdown(), "run: python manage.py problems > docs/problems.md"
    assert page.startswith(PAGE_HEAD)


def test_problems_command_prints_the_page(tmp_path: Path) -> None:
    with (tmp_path / "problems.md").open("w") as out:
        call_command("problems", stdout=out)
    assert (tmp_path / "problems.md").read_text() == markdown()


def test_problem_type_links_to_its_explanation() -> None:
    answer = Client().get("/api/v1/alerts")
    page = Client().get(str(answer.json()["type"]).removeprefix("http://127.0.0.1:8000"))
    assert page.status_code == 200
    assert catalogue()["not_authenticated"].advice in page.content.decode()
    assert Client().get("/problems/no_such_code").status_code == 404
