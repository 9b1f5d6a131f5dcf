"""The board at the end of the real system: a simulated button is pressed, a person reads the alert and acts."""

import itertools
import math
import os
import signal
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from devstack.machine.demo import Person
from devstack.testing.stack import Stack
from tests.browser.people import card, open_board, sign_in
from tests.kit.patience import Promise

pytestmark = pytest.mark.browser

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
AHEAD = """
document.addEventListener("readystatechange", () => {
  const data = document.getElementById("board-data");
  if (data) data.textContent = data.textContent.replace(/"cursor": \\d+/, '"cursor": 9007199254740000');
});
"""
ADVANCE = "(ms) => { const at = performance.now() + ms; performance.now = () => at; }"
"""Advance the page's monotonic clock and stop it there, so that a short delay does not depend on the machine."""
PRESSES = 200


def test_press_appears_on_the_board(browser: Browser, stack: Stack) -> None:
    with open_board(browser, stack.demo, "operator") as page:
        (press,) = stack.press("--type", "medical")
        assert press.alert_id is not None
        alert = card(page, press.alert_id)
        expect(alert).to_be_visible()
        expect(alert.locator("h2")).to_have_text("Medical")
        expect(alert.locator(".alert-state")).to_contain_text("Nobody has acknowledged this yet.")
        expect(page.locator("#say-now")).to_contain_text("Medical, Room")
        page.reload()
        expect(alert).to_be_visible()


def test_acknowledge_and_resolve_reach_every_board(browser: Browser, stack: Stack) -> None:
    (press,) = stack.press("--type", "assist")
    assert press.alert_id is not None
    with open_board(browser, stack.demo, "operator") as first, open_board(browser, stack.demo, "admin") as second:
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


def test_focus_stays_on_the_alert_after_acknowledge_and_first_all_clear(browser: Browser, stack: Stack) -> None:
    """Keyboard users keep their position on the page."""
    (press,) = stack.press("--type", "lockdown")
    assert press.alert_id is not None
    with open_board(browser, stack.demo, "operator") as page:
        mine = card(page, press.alert_id)
        mine.get_by_role("button", name="Acknowledge").focus()
        page.keyboard.press("Enter")
        expect(mine.locator(".alert-state")).to_contain_text("You acknowledged this at")
        expect(mine).to_be_focused()
        mine.get_by_role("button", name="All clear (1 of 2)").focus()
        page.keyboard.press("Enter")
        expect(mine.get_by_role("button", name="All clear given (1 of 2)")).to_be_disabled()
        expect(mine).to_be_focused()


def test_double_click_on_acknowledge_does_not_resolve_the_alert(browser: Browser, stack: Stack) -> None:
    """The resolve button appears where the acknowledge button was."""
    (press,) = stack.press("--type", "fire")
    assert press.alert_id is not None
    with open_board(browser, stack.demo, "operator") as page:
        mine = card(page, press.alert_id)
        page.evaluate(ADVANCE, 1_000)
        mine.get_by_role("button", name="Acknowledge").click()
        mine.get_by_role("button", name="Resolve").click()
        expect(mine).to_contain_text("This button moved just now. Press again if you mean it.")
        page.evaluate(ADVANCE, 1_000)
        mine.get_by_role("button", name="Resolve").click()
        expect(mine).to_have_count(0)


def test_lockdown_is_ended_by_two_different_people(browser: Browser, stack: Stack) -> None:
    (press,) = stack.press("--type", "lockdown")
    assert press.alert_id is not None
    with open_board(browser, stack.demo, "operator") as first, open_board(browser, stack.demo, "manager") as second:
        mine, theirs = card(first, press.alert_id), card(second, press.alert_id)
        mine.get_by_role("button", name="All clear (1 of 2)").click()
        expect(mine).to_contain_text("All clear: 1 of 2, given by you. A second person must confirm.")
        expect(mine.get_by_role("button", name="All clear given (1 of 2)")).to_be_disabled()
        expect(theirs).to_contain_text("A second person must confirm.")
        theirs.get_by_role("button", name="Confirm all clear (2 of 2)").click()
        expect(mine).to_have_count(0)
        expect(theirs).to_have_count(0)


def test_silent_alert_drill_and_repeated_press_are_labelled(browser: Browser, stack: Stack) -> None:
    with open_board(browser, stack.demo, "admin") as page:
        (silent,) = stack.press("--type", "assist", "--silent")
        assert silent.alert_id is not None
        expect(card(page, silent.alert_id).locator(".band-silent")).to_contain_text("SILENT")
        (drill,) = stack.press("--type", "evacuate", "--drill")
        assert drill.alert_id is not None
        expect(card(page, drill.alert_id).locator(".band-drill")).to_contain_text("DRILL")
        (first,) = stack.press("--type", "hold")
        assert first.alert_id is not None
        expect(card(page, first.alert_id)).to_be_visible()
        stack.press("--type", "hold", "--device", first.device)
        expect(card(page, first.alert_id)).to_contain_text("Pressed again, 2 presses in all")


def test_board_gives_advice_when_offline_and_recovers(browser: Browser, stack: Stack) -> None:
    (press,) = stack.press("--type", "hold")
    assert press.alert_id is not None
    with open_board(browser, stack.demo, "operator") as page:
        mine = card(page, press.alert_id)
        page.context.set_offline(True)
        mine.get_by_role("button", name="Acknowledge").click()
        expect(mine).to_contain_text("No answer from the server. Try again; until then tell people another way.")
        page.context.set_offline(False)
        mine.get_by_role("button", name="Acknowledge").click()
        expect(mine.locator(".alert-state")).to_contain_text("You acknowledged this at")
        expect(mine.locator(".alert-note")).to_be_empty()


def test_board_displays_the_current_state_after_a_conflict(browser: Browser, stack: Stack) -> None:
    """One of the boards does not receive the message about the end."""
    (press,) = stack.press("--type", "secure")
    assert press.alert_id is not None
    lost: list[str | bytes] = []

    def lossy(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        socket.on_message(server.send)
        server.on_message(lambda text: lost.append(text) if "alert.updated" in str(text) else socket.send(text))

    with open_board(browser, stack.demo, "operator") as page, open_board(browser, stack.demo, "admin") as other:
        page.route_web_socket("**/ws/alerts", lossy)
        page.reload()
        mine, theirs = card(page, press.alert_id), card(other, press.alert_id)
        expect(page.locator("#line")).to_contain_text("Live,")
        theirs.get_by_role("button", name="Resolve").click()
        expect(theirs).to_have_count(0)
        expect(mine).to_be_visible()
        mine.get_by_role("button", name="Acknowledge").click()
        expect(mine).to_have_count(0)
        expect(page.locator("#ended")).to_contain_text("Secure")
        assert lost, "the board received the message after all"


def test_board_reconnects_with_missed_events(browser: Browser, stack: Stack) -> None:
    with open_board(browser, stack.demo, "operator") as page:
        line = page.locator("#line")
        kill(stack, "web")
        expect(line).not_to_contain_text("Live,")
        (press,) = stack.press("--type", "secure")
        expect(line).to_contain_text("Live,")
        assert press.seq > 0
        expect(page.locator(".alert", has_text="Secure")).not_to_have_count(0)


def test_page_loaded_before_a_restore_resyncs(browser: Browser, stack: Stack) -> None:
    """Its cursor is ahead of the feed, as after the cloud was restored from a backup."""

    with open_board(browser, stack.demo, "operator") as page:
        page.add_init_script(AHEAD)
        page.reload()
        assert page.evaluate("JSON.parse(document.getElementById('board-data').textContent).cursor") > 9 * 10**15
        expect(page.locator("#line")).to_contain_text("Live,")
        (press,) = stack.press("--type", "weather")
        assert press.alert_id is not None
        expect(card(page, press.alert_id)).to_be_visible()


@pytest.mark.slow
def test_silent_connection_is_stale_and_recovers(browser: Browser, stack: Stack) -> None:
    """The web server is suspended without closing the connection."""
    with open_board(browser, stack.demo, "operator") as page:
        pids = _with_children(stack, "web")
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            expect(page.locator("#board")).to_have_attribute("data-stale", "")
            expect(page.locator("#strip")).to_contain_text("This picture is from")
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        expect(page.locator("#board")).not_to_have_attribute("data-stale", "")
        expect(page.locator("#line")).to_contain_text("Live,")


def test_buttons_work_as_forms_without_javascript(browser: Browser, stack: Stack) -> None:
    (press,) = stack.press("--type", "shelter")
    with open_board(browser, stack.demo, "operator") as live:
        uuid = card(live, press.alert_id or "").get_attribute("data-alert")
        state = live.context.storage_state()
        still = browser.new_context(base_url=stack.demo.base_url, java_script_enabled=False, storage_state=state)
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
def test_latency_of_200_presses_from_button_to_page(browser: Browser, stack: Stack) -> None:
    """Press and page share a clock: the button dates the press, a MutationObserver the arrival."""
    with open_board(browser, stack.demo, "operator") as page:
        page.evaluate(WATCH)
        promise = Promise(1.0)
        results = stack.press("--count", str(PRESSES), "--type", "test")
        page.wait_for_function("(n) => window.arrivals.length >= n", arg=PRESSES)
        arrivals = page.evaluate("window.arrivals")
        _print("press to page (browser)", [one["ms"] for one in arrivals])
        for name in ("stored_ms", "committed_ms", "shown_ms"):
            _print(f"press to {name.removesuffix('_ms')} (./dev press)", [getattr(one, name) for one in results])
        assert len({one["id"] for one in arrivals}) == PRESSES
        assert _percentile([one["ms"] for one in arrivals], 0.5) < 1_000 * promise.seconds
        open_now = page.locator(".alert").count()
        page.reload()
        expect(page.locator(".alert")).to_have_count(open_now)
        _close_all(page)


NEIGHBOUR = """
from apps.accounts.models import Role, User
from apps.accounts.people.memberships import add_membership
from apps.accounts.identity.users import create_user
from apps.common.access import SYSTEM
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.tenancy.services import create_organization

school = new_id()
with tenant_scope([school]):
    create_organization(actor=SYSTEM, organization_id=school, name="Neighbour School", slug=f"neighbour-{school}")
    nora = create_user(
        actor=SYSTEM, email="nora@neighbour.example", password="a long enough password", first_name="Nora"
    )
    add_membership(actor=SYSTEM, user=nora, organization_id=school, role=Role.ADMIN)
    add_membership(actor=SYSTEM, user=User.objects.get(email="@MEMBER@"), organization_id=school, role=Role.OPERATOR)
"""


def test_board_of_another_school_receives_nothing(browser: Browser, stack: Stack) -> None:
    manager = stack.demo.users["manager"]
    stack.dev("manage", "shell", "-c", NEIGHBOUR.replace("@MEMBER@", manager.email))
    nora = Person("nora@neighbour.example", "a long enough password")
    demo = msgspec.structs.replace(stack.demo, users={"nora": nora, "both": manager})
    with open_board(browser, demo, "nora") as neighbour, open_board(browser, stack.demo, "operator") as page:
        (press,) = stack.press("--type", "hold")
        assert press.alert_id is not None
        expect(card(page, press.alert_id)).to_be_visible()
        neighbour.reload()
        expect(neighbour.locator("#line")).to_contain_text("Live,")
        expect(neighbour.locator("#quiet h2")).to_have_text("All quiet.")
        uuid = card(page, press.alert_id).get_attribute("data-alert")
        assert uuid is not None
        assert uuid not in neighbour.content()

    context = browser.new_context(base_url=demo.base_url)
    both = context.new_page()
    sign_in(both, demo, "both")
    expect(both.get_by_role("heading")).to_have_text("Which school?")
    both.get_by_role("link", name="Neighbour School").click()
    expect(both.locator(".top-name")).to_have_text("Neighbour School")
    expect(both.locator(".alert")).to_have_count(0)
    both.goto("/board/")
    both.get_by_role("link", name="Lincoln High School").click()
    expect(both.locator(f'[data-alert="{uuid}"]')).to_be_visible()
    context.close()


def kill(stack: Stack, name: str) -> None:
    """Kill one process with kill -9; the process manager restarts it."""
    pid = stack.status()[name].pid
    assert pid is not None, f"{name} is not running"
    os.kill(pid, signal.SIGKILL)


def _with_children(stack: Stack, name: str) -> list[int]:
    pid = stack.status()[name].pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid or 0, *map(int, children)]


def _close_all(page: Page) -> None:
    """Leave no open alerts for the next test."""
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
