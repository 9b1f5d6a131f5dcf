"""The admin's pages work under their own content security policy, which forbids inline scripts."""

import pytest
from playwright.sync_api import Browser, expect

from devstack.testing.stack import Stack
from tests.browser.people import sign_in

pytestmark = pytest.mark.browser


def test_admin_pages_work_without_inline_scripts(browser: Browser, stack: Stack) -> None:
    context = browser.new_context(base_url=stack.demo.base_url, viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    refused: list[str] = []
    page.on("console", lambda line: refused.append(line.text) if "Content Security Policy" in line.text else None)
    page.on("pageerror", lambda error: refused.append(str(error)))
    sign_in(page, stack.demo, "admin")
    page.goto("/admin/")
    links = page.locator('a[href^="/admin/"]')
    paths = sorted({str(link.get_attribute("href")).partition("?")[0] for link in links.all()})
    lists = [path for path in paths if path.count("/") == 4]
    assert len(lists) > 3
    for path in lists:
        page.goto(path)
        expect(page.locator("body")).to_be_visible()
        row = page.locator("#result_list tbody a").first
        if row.count():
            row.click()
            page.wait_for_load_state()
    page.goto("/admin/")
    assert page.evaluate("typeof window.Alpine") == "object", "the script of the admin pages has started"
    page.evaluate(
        "() => { const script = document.createElement('script'); script.textContent = 'window.injected = true';"
        " document.body.append(script); }"
    )
    assert page.evaluate("window.injected") is None
    context.close()
    blocked = [line for line in refused if "window.injected" in line or "inline script" in line]
    assert len(refused) == len(blocked) == 1, refused
