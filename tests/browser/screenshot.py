"""The screenshot of the board in the README: `python -m tests.browser.screenshot docs/images/board.png`."""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect

from devstack.testing.stack import running_stack
from tests.browser import chromium
from tests.browser.people import card, open_board


def main(target: Path) -> None:
    """Start the real system, press two buttons, and save the board of a member of staff."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_stack(Path(folder) / "home") as stack,
        chromium.started() as browser,
        open_board(browser, stack.demo, "operator") as page,
    ):
        (medical,) = stack.press("--type", "medical")
        card(page, medical.alert_id or "").get_by_role("button", name="Acknowledge").click()
        stack.press("--type", "lockdown")
        expect(page.locator(".alert")).to_have_count(2)
        page.locator("#sound").click()
        page.emulate_media(reduced_motion="reduce")
        page.set_viewport_size({"width": 1440, "height": 800})
        page.wait_for_timeout(1_500)
        page.screenshot(path=target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
