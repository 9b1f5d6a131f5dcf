"""Signing in and out for every user: also without JavaScript, and without redirects to other sites."""

import re

import httpx
import pytest
from csp.utils import build_policy
from playwright.sync_api import Browser, expect

from devstack.testing.stack import Stack
from tests.browser.people import sign_in

pytestmark = pytest.mark.browser


def test_pages_redirect_to_sign_in_and_back_without_a_session(browser: Browser, stack: Stack) -> None:
    context = browser.new_context(base_url=stack.demo.base_url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/board/?organization=none")
    assert page.url.endswith("/login/?next=%2Fboard%2F%3Forganization%3Dnone")
    person = stack.demo.users["operator"]
    page.get_by_label("E-mail address").fill(person.email.upper())
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("E-mail address and password do not match. Try again.")
    page.get_by_label("Password").fill(person.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{stack.demo.base_url}/board/?organization=none")
    page.goto("/")
    expect(page.locator("#strip")).to_contain_text("does not change by itself")
    context.close()


def test_sign_out_also_ends_the_open_board(browser: Browser, stack: Stack) -> None:
    context = browser.new_context(base_url=stack.demo.base_url)
    board, other = context.new_page(), context.new_page()
    sign_in(board, stack.demo, "operator")
    expect(board.locator("#line")).to_contain_text("Live,")
    other.goto("/board/")
    other.get_by_role("button", name="Sign out").click()
    # If the feed ends before the response comes, the board itself redirects, with its own page as `next`.
    expect(other).to_have_url(re.compile(rf"^{stack.demo.base_url}/login/"))
    expect(board).to_have_url(f"{stack.demo.base_url}/login/?next=%2Fboard%2F")
    context.close()


def test_board_explains_when_the_role_cannot_view_open_alerts(browser: Browser, stack: Stack) -> None:
    for role, words in {
        "viewer": re.compile("Your role does not show open alerts|There is an alarm that you may not see"),
        "super_admin": re.compile("You belong to no school"),
    }.items():
        context = browser.new_context(base_url=stack.demo.base_url)
        page = context.new_page()
        sign_in(page, stack.demo, role)
        expect(page.locator("main")).to_contain_text(words)
        expect(page.locator(".alert")).to_have_count(0)
        context.close()


def test_redirect_after_sign_in_stays_on_this_host(stack: Stack) -> None:
    person = stack.demo.users["operator"]
    for target in ("https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)"):
        with httpx.Client(base_url=stack.demo.base_url, trust_env=False) as client:
            form = client.get("/login/", params={"next": target})
            assert "elsewhere" not in form.text
            answer = client.post(
                "/login/",
                data={"email": person.email, "password": person.password, "next": target}
                | {"csrfmiddlewaretoken": client.cookies["csrftoken"]},
            )
            assert answer.status_code == 302
            assert answer.headers["Location"] == "/board/"


def test_pages_have_a_strict_policy_and_are_not_cached(stack: Stack) -> None:
    with httpx.Client(base_url=stack.demo.base_url, trust_env=False) as client:
        for path in ("/login/", "/board/"):
            answer = client.get(path)
            assert set(answer.headers["Content-Security-Policy"].split("; ")) == set(build_policy().split("; "))
            assert "no-store" in answer.headers["Cache-Control"]
        assert client.post("/login/", data={"email": "a", "password": "b"}).status_code == 403, "no CSRF token"
        assert client.get("/logout/").status_code == 405
