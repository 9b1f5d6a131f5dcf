"""Server and script describe every alert alike: a rendered card equals one filled in by the script."""

import pytest
from playwright.sync_api import Page

from contracts import examples
from tests.browser.gallery import ME, SOMEBODY, Document, Gallery, alert, at_room, example

pytestmark = pytest.mark.browser

CARDS = """
() => [...document.querySelectorAll(".alert")].map((card) => ({
  shown: [...card.querySelectorAll("[data-slot]:not([data-slot=age])")]
    .filter((slot) => !slot.closest("[hidden]"))
    .map((slot) => [slot.dataset.slot, slot.textContent.trim(), slot.getAttribute("datetime")]),
  icon: card.querySelector("use[data-slot]").getAttribute("href"),
  marks: ["type", "drill", "silent", "acknowledged"].map((name) => card.dataset[name] ?? null),
  parts: [...card.querySelectorAll("[data-if], form, button")].map((part) => [part.hidden, part.disabled ?? null]),
}))
"""
TROUBLES = "() => [...document.querySelectorAll('#troubles li')].map((row) => row.firstElementChild.textContent)"
TIMELINE = (
    "() => [...document.querySelectorAll('#steps li')].map((step) => step.innerText.replace(/\\s+/g, ' ').trim())"
)


def documents() -> list[Document]:
    """Return every open alert of the contract's examples, and further cases."""
    me: Document = {"id": str(ME), "name": "Maria Sanchez"}
    made: list[Document] = [
        alert(1, approvals={"given": 1, "required": 2, "by": [me]}),
        alert(2, approvals={"given": 1, "required": 2, "by": [SOMEBODY]}, presses=4),
        alert(3, alert_type="gas_leak", ago=4000, approvals={"given": 0, "required": 1, "by": []}),
        alert(4, alert_type="medical", ago=90_000, place=at_room("Gym", "Gym"), source="mobile"),
        alert(5, place=None, device=None, is_late=True),
        alert(6, is_drill=True, is_silent=True, place=at_room("B-204", "Chemistry")),
    ]
    given = [example(one.name) for one in examples("alert", "valid")]
    numbered = [document | {"id": f"0198f2c4-6a10-7600-9c41-f{n:011x}"} for n, document in enumerate(given)]
    return made + [document for document in numbered if document["status"] in {"new", "acknowledged"}]


def test_server_and_script_render_the_same_card(page: Page, gallery_server: Gallery) -> None:
    alerts = documents()
    url = gallery_server.add_page("words", alerts)
    context = page.context.browser
    assert context is not None
    still = context.new_context(java_script_enabled=False, timezone_id="America/Chicago")
    server = still.new_page()
    server.goto(url)
    as_rendered, timeline = server.evaluate(CARDS), server.evaluate(TIMELINE)
    still.close()

    page.goto(url)
    page.wait_for_selector("#sound:not([hidden])")
    assert len(as_rendered) == len(alerts)
    assert page.evaluate(CARDS) == as_rendered
    assert page.evaluate(TIMELINE) == timeline


def test_server_and_script_render_the_same_troubles(page: Page, gallery_server: Gallery) -> None:
    """A reloaded page also lists the open troubles."""
    gateway: Document = {"id": "0198f2c4-6a10-7800-9c41-5d2e8f7a0800", "name": "Main building"}
    base: Document = {"kind": "worker_missing", "detail": None, "since": alert()["received_at"]}
    troubles: list[Document] = [
        base | {"id": "0198f2c4-6a10-7700-9c41-5d2e8f7a0701", "device": "ss-7c9ebd12f0a4", "gateway": gateway},
        base | {"id": "0198f2c4-6a10-7700-9c41-5d2e8f7a0702", "device": None, "gateway": gateway, "detail": "Dark."},
        base | {"id": "0198f2c4-6a10-7700-9c41-5d2e8f7a0703", "device": None, "gateway": None},
    ]
    url = gallery_server.add_page("troubles", [], troubles=troubles)
    context = page.context.browser
    assert context is not None
    still = context.new_context(java_script_enabled=False)
    server = still.new_page()
    server.goto(url)
    as_rendered = server.evaluate(TROUBLES)
    still.close()
    assert as_rendered == [
        "Button ss-7c9ebd12f0a4: worker missing",
        "Gateway Main building: Dark.",
        "SafeSignal: worker missing",
    ]
    page.goto(url)
    page.wait_for_selector("#sound:not([hidden])")
    assert page.evaluate(TROUBLES) == as_rendered


def test_card_created_by_the_script_matches_the_server_markup(page: Page, gallery_server: Gallery) -> None:
    page.goto(gallery_server.add_page("made", documents()))
    page.wait_for_selector("#sound:not([hidden])")
    served = page.evaluate(CARDS)
    page.evaluate(
        """
        async () => {
          const { Card } = await import("/static/board/cards.js");
          const data = JSON.parse(document.getElementById("board-data").textContent);
          const template = document.getElementById("alert-template").content.firstElementChild;
          for (const node of document.querySelectorAll("#alerts .alert")) {
            const alert = data.alerts.find((one) => one.id === node.dataset.alert);
            const card = new Card(template.cloneNode(true));
            card.fill(alert, data, undefined, Date.now());
            node.replaceWith(card.node);
          }
        }
        """
    )
    assert page.evaluate(CARDS) == served
