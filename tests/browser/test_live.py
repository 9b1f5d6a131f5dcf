"""The board at the end of the real chain: a simulated button is pressed, a person sees it and acts."""

import itertools
import math

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.people import at_the_board, card
from tests.browser.stack import Stack

WATCH = """
() => {
  window.arrivals = [];
  new MutationObserver((changes) => {
    const at = Date.now();
    for (const change of changes) for (const node of change.addedNodes) {
      if (!node.matches?.(".alert")) continue;
      const pressed = Date.parse(node.querySelector('[data-slot="since"]').dateTime);
      window.arrivals.push({ id: node.dataset.alert, ms: at - pressed });
    }
  }).observe(document.getElementById("alerts"), { childList: true });
}
"""
PRESSES = 200


def test_a_press_is_on_the_board(browser: Browser, chain: Stack) -> None:
    with at_the_board(browser, chain.demo, "operator") as page:
        (press,) = chain.press("--type", "medical")
        assert press.alert_id is not None
        alert = card(page, press.alert_id)
        expect(alert).to_be_visible()
        expect(alert.locator("h2")).to_have_text("Medical")
        expect(alert.locator(".alert-state")).to_contain_text("Nobody has acknowledged this yet.")
        expect(page.locator("#say-now")).to_contain_text("Medical, Room")
        page.reload()
        expect(alert).to_be_visible()


def test_acknowledge_and_resolve_reach_every_board(browser: Browser, chain: Stack) -> None:
    (press,) = chain.press("--type", "assist")
    assert press.alert_id is not None
    with at_the_board(browser, chain.demo, "operator") as first, at_the_board(browser, chain.demo, "admin") as second:
        mine, theirs = card(first, press.alert_id), card(second, press.alert_id)
        mine.get_by_role("button", name="Acknowledge").click()
        expect(mine.locator(".alert-state")).to_contain_text("You acknowledged this at")
        expect(theirs.locator(".alert-state")).to_contain_text("acknowledged this at")
        expect(theirs.get_by_role("button", name="Acknowledge")).to_be_hidden()
        theirs.get_by_role("button", name="Resolve").focus()
        second.keyboard.press("Enter")
        expect(theirs).to_have_count(0)
        expect(mine).to_have_count(0)
        expect(first.locator("#ended")).to_contain_text("Assist")


def test_a_lockdown_ends_by_two_different_people(browser: Browser, chain: Stack) -> None:
    (press,) = chain.press("--type", "lockdown")
    assert press.alert_id is not None
    with at_the_board(browser, chain.demo, "operator") as first, at_the_board(browser, chain.demo, "manager") as second:
        mine, theirs = card(first, press.alert_id), card(second, press.alert_id)
        mine.get_by_role("button", name="All clear (1 of 2)").click()
        expect(mine).to_contain_text("All clear: 1 of 2, given by you. A second person must confirm.")
        expect(mine.get_by_role("button", name="All clear given (1 of 2)")).to_be_disabled()
        expect(theirs).to_contain_text("A second person must confirm.")
        theirs.get_by_role("button", name="Confirm all clear (2 of 2)").click()
        expect(mine).to_have_count(0)
        expect(theirs).to_have_count(0)


def test_a_silent_alert_and_a_press_again_say_so(browser: Browser, chain: Stack) -> None:
    with at_the_board(browser, chain.demo, "admin") as page:
        (silent,) = chain.press("--type", "assist", "--silent")
        assert silent.alert_id is not None
        expect(card(page, silent.alert_id).locator(".band-silent")).to_contain_text("SILENT")
        (first,) = chain.press("--type", "hold")
        assert first.alert_id is not None
        expect(card(page, first.alert_id)).to_be_visible()
        chain.press("--type", "hold", "--device", first.device)
        expect(card(page, first.alert_id)).to_contain_text("Pressed again, 2 presses in all")


def test_a_card_that_someone_else_closed_says_so_instead_of_acting(browser: Browser, chain: Stack) -> None:
    """The button is pressed on a board that has not heard of the end yet."""
    (press,) = chain.press("--type", "hold")
    assert press.alert_id is not None
    with at_the_board(browser, chain.demo, "operator") as page, at_the_board(browser, chain.demo, "admin") as other:
        page.context.set_offline(True)
        theirs = card(other, press.alert_id)
        theirs.get_by_role("button", name="Resolve").click()
        expect(theirs).to_have_count(0)
        uuid = page.locator(".alert", has_text="Hold").first.get_attribute("data-alert")
        mine = page.locator(f'[data-alert="{uuid}"]')
        mine.get_by_role("button", name="Acknowledge").click()
        expect(mine).to_contain_text("No answer from the server. Try again")
        page.context.set_offline(False)
        expect(mine).to_have_count(0, timeout=15_000)


def test_it_comes_back_by_itself_with_everything_that_happened_meanwhile(browser: Browser, chain: Stack) -> None:
    with at_the_board(browser, chain.demo, "operator") as page:
        line = page.locator("#line")
        chain.kill("web")
        expect(line).not_to_contain_text("Live,")
        (press,) = chain.press("--type", "secure")
        expect(line).to_contain_text("Live,", timeout=30_000)
        assert press.seq > 0
        expect(page.locator(".alert", has_text="Secure")).not_to_have_count(0, timeout=15_000)


def test_without_a_script_the_buttons_work_as_forms(browser: Browser, chain: Stack) -> None:
    (press,) = chain.press("--type", "shelter")
    with at_the_board(browser, chain.demo, "operator") as live:
        uuid = card(live, press.alert_id or "").get_attribute("data-alert")
        state = live.context.storage_state()
        still = browser.new_context(base_url=chain.demo.base_url, java_script_enabled=False, storage_state=state)
        page = still.new_page()
        page.goto("/board/")
        alert = page.locator(f'[data-alert="{uuid}"]')
        alert.get_by_role("button", name="Acknowledge").click()
        expect(page.locator("#strip")).to_contain_text("You acknowledged the alert.")
        expect(alert.locator(".alert-state")).to_contain_text("You acknowledged this at")
        alert.get_by_role("button", name="Resolve").click()
        expect(alert).to_have_count(0)
        still.close()


@pytest.mark.slow
def test_200_presses_from_the_hand_to_the_page(browser: Browser, chain: Stack) -> None:
    """Press and page share a clock here: the press is dated by the button, the arrival by a MutationObserver."""
    with at_the_board(browser, chain.demo, "operator") as page:
        page.evaluate(WATCH)
        results = chain.press("--count", str(PRESSES), "--type", "test")
        page.wait_for_function(f"window.arrivals.length >= {PRESSES}", timeout=20_000)
        arrivals = page.evaluate("window.arrivals")
        _print("press to page (browser)", [one["ms"] for one in arrivals])
        for name in ("stored_ms", "committed_ms", "shown_ms"):
            _print(f"press to {name.removesuffix('_ms')} (./dev press)", [getattr(one, name) for one in results])
        assert len({one["id"] for one in arrivals}) == PRESSES
        assert _percentile([one["ms"] for one in arrivals], 0.5) < 1_000
        _close_all(page)


def _close_all(page: Page) -> None:
    """Leave a quiet school to whoever comes next."""
    for _ in itertools.count():
        left = page.evaluate(
            """
            async () => {
              const { urls, organization } = JSON.parse(document.getElementById("board-data").textContent);
              const csrf = document.querySelector("[name=csrfmiddlewaretoken]").value;
              const query = `organization=${organization.id}`;
              const open = (await (await fetch(`${urls.alerts}?status=open&limit=100&${query}`)).json()).results;
              const headers = { "X-CSRFToken": csrf, "Content-Type": "application/json" };
              const tests = open.filter((alert) => alert.approvals.required === 1);
              for (const { id } of tests) {
                await fetch(`${urls.alerts}/${id}/resolve?${query}`, { method: "PUT", headers, body: "{}" });
              }
              return tests.length;
            }
            """
        )
        if not left:
            return


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


def _print(what: str, values: list[float]) -> None:
    p50, p99 = _percentile(values, 0.5), _percentile(values, 0.99)
    print(f"{what}: p50 {p50:.0f} ms, p99 {p99:.0f} ms, {len(values)} presses")
