"""A second factor is set up on the portal's page, and required at the next sign-in."""

import pytest
from playwright.sync_api import Browser, Page, expect

from devstack.testing.stack import Stack
from tests.browser.people import sign_in
from tests.kit.second_factor import code

pytestmark = pytest.mark.browser

SETTINGS = "/api/v1/organizations/{}/settings"
CALL = """
async ([method, path, body, headers]) => {
  const csrf = document.cookie.match(/csrftoken=([^;]+)/)?.[1] ?? "";
  const answer = await fetch(path, {
    method,
    headers: { "Content-Type": "application/json", "X-CSRFToken": csrf, ...headers },
    body: body && JSON.stringify(body),
  });
  return { status: answer.status, body: answer.status === 204 ? null : await answer.json() };
}
"""


def call(page: Page, method: str, path: str, body: object = None, **headers: str) -> tuple[int, dict[str, object]]:
    """Call the API as the page's own script would."""
    answer = page.evaluate(CALL, [method, path, body, headers])
    return answer["status"], answer["body"] or {}


def test_admin_must_set_up_a_second_factor_before_requiring_it(browser: Browser, stack: Stack) -> None:
    demo = stack.demo
    context = browser.new_context(base_url=demo.base_url)
    page = context.new_page()
    refused: list[str] = []
    page.on("console", lambda line: refused.append(line.text) if "Content Security Policy" in line.text else None)
    settings = SETTINGS.format(demo.organization_id)
    sign_in(page, demo, "admin")
    status, body = call(page, "PATCH", settings, {"mfa_required_for_admins": True})
    assert (status, body["code"]) == (409, "own_second_factor_first")

    page.goto("/account/second-factor/?next=/board/")
    page.get_by_label("Your password").fill("not the password")
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_role("alert")).to_have_text("This is not your password.")
    page.get_by_label("Your password").fill(demo.users["admin"].password)
    page.get_by_role("button", name="Begin").click()
    picture = page.get_by_role("img", name="QR code").locator("svg")
    expect(picture).to_be_visible()
    box = picture.bounding_box()
    assert box is not None and box["width"] > 150, "the QR code is too small to scan"
    secret = page.locator("code").inner_text()
    page.get_by_label("Code", exact=True).fill(code(secret, steps=-1))
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_role("status")).to_contain_text("is set up")
    recovery = page.locator(".codes code").all_inner_texts()
    assert len(recovery) == 10
    try:
        assert call(page, "PATCH", settings, {"mfa_required_for_admins": True})[0] == 200
        page.get_by_role("link", name="go on").click()
        expect(page).to_have_url(f"{demo.base_url}/board/")

        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("E-mail address").fill(demo.users["admin"].email)
        page.get_by_label("Password").fill(demo.users["admin"].password)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_label("Code", exact=True).fill(recovery[0])
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(f"{demo.base_url}/board/")
    finally:
        call(page, "PATCH", settings, {"mfa_required_for_admins": False})
        confirmation = call(page, "POST", "/api/v1/me/confirmation", {"password": demo.users["admin"].password})[1]
        call(page, "DELETE", "/api/v1/me/mfa/totp", None, **{"X-Confirmation": str(confirmation["confirmation"])})
    context.close()
    assert not refused
