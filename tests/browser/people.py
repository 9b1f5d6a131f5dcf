"""Actions of staff in a browser."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Locator, Page, expect

from devstack.machine.demo import Demo


@contextmanager
def open_board(browser: Browser, demo: Demo, role: str, *, width: int = 1440) -> Iterator[Page]:
    """Open a separate browser, signed in by the form, with the live board. Script errors fail the test."""
    context = browser.new_context(base_url=demo.base_url, viewport={"width": width, "height": 1000})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    sign_in(page, demo, role)
    expect(page.locator("#line")).to_contain_text("Live,")
    yield page
    context.close()
    assert not errors


def sign_in(page: Page, demo: Demo, role: str) -> None:
    page.goto("/")
    person = demo.users[role]
    page.get_by_label("E-mail address").fill(person.email)
    page.get_by_label("Password").fill(person.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/board/**")


def card(page: Page, alert_id: str) -> Locator:
    """Return the card of an alert by the alert_id of its press; the page itself knows only the UUID."""
    uuid = page.evaluate(
        """
        async (name) => {
          const { urls, organization } = JSON.parse(document.getElementById("board-data").textContent);
          let next = `${urls.alerts}?limit=100&organization=${organization.id}`;
          while (next) {
            const page = await (await fetch(next)).json();
            const found = page.results.find((alert) => alert.alert_id === name);
            if (found) return found.id;
            next = page.next;
          }
          return null;
        }
        """,
        alert_id,
    )
    assert uuid is not None, f"{alert_id} is not among the alerts of this person"
    return page.locator(f'[data-alert="{uuid}"]')
