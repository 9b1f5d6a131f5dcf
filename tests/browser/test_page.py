"""The page itself: readable for everyone, at every width, by keyboard, and clear about the age of its data."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.gallery import SOMEBODY, ZONE, Document, Gallery, alert, at_room

pytestmark = pytest.mark.browser

TYPES = ["lockdown", "fire", "evacuate", "hazmat", "shelter", "weather", "medical", "secure", "hold", "assist", "test"]

CONTRAST = """
() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const rgb = (...layers) => {
    pen.clearRect(0, 0, 1, 1);
    for (const color of layers) { pen.fillStyle = color; pen.fillRect(0, 0, 1, 1); }
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (color) => {
    const [r, g, b] = color.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const bad = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !node.checkVisibility()) continue;
    if (node.closest("template, script, .unseen, .skip")) continue;
    const layers = ["#fff"];
    for (let up = node; up; up = up.parentElement) layers.splice(1, 0, getComputedStyle(up).backgroundColor);
    const [text, ground] = [luminance(rgb(...layers, getComputedStyle(node).color)), luminance(rgb(...layers))];
    const ratio = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
    if (ratio < 4.5) bad.push([node.textContent.trim(), ratio.toFixed(2)]);
  }
  return bad;
}
"""


def every_kind() -> list[Document]:
    kinds: list[Document] = [alert(n, alert_type=kind, place=at_room(str(100 + n))) for n, kind in enumerate(TYPES)]
    kinds[0] |= {"is_silent": True, "is_late": True, "presses": 3, "is_unattributed": True}
    kinds[1] |= {"status": "acknowledged", "acknowledged_at": kinds[1]["received_at"], "acknowledged_by": SOMEBODY}
    kinds.append(alert(50, is_drill=True))
    kinds.append(alert(51, alert_type="gas_leak", place=None))
    return kinds


@pytest.mark.parametrize("width", [390, 820, 1440])
def test_page_fits_the_screen_width(page: Page, gallery_server: Gallery, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for name, alerts in {"quiet": [], "every": every_kind()}.items():
        page.goto(gallery_server.add_page(name, alerts))
        expect(page.locator("#sound")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("first", [*TYPES, "gas_leak"])
def test_alert_type_is_the_largest_text_and_all_text_is_readable(
    page: Page, gallery_server: Gallery, first: str
) -> None:
    page.goto(gallery_server.add_page("one", [alert(1, alert_type=first)]))
    expect(page.locator("#sound")).to_be_visible()
    assert page.evaluate(CONTRAST) == []
    sizes = page.evaluate(
        "() => [...document.querySelectorAll('body *')]"
        ".filter((n) => n.checkVisibility() && n.childElementCount === 0 && n.textContent.trim())"
        ".map((n) => [n.className || n.dataset.slot, parseFloat(getComputedStyle(n).fontSize)])"
    )
    largest = max(sizes, key=lambda size: size[1])
    assert largest[0] == "label"


def test_all_text_is_readable_on_a_full_and_an_empty_board(page: Page, gallery_server: Gallery) -> None:
    for name, alerts in {"quiet": [], "every": every_kind()}.items():
        page.goto(gallery_server.add_page(name, alerts))
        expect(page.locator("#sound")).to_be_visible()
        assert page.evaluate(CONTRAST) == []


def test_drill_and_silent_alert_are_labelled_in_words(page: Page, gallery_server: Gallery) -> None:
    page.goto(gallery_server.add_page("marks", [alert(1, is_drill=True, is_silent=True)]))
    expect(page.locator(".band-drill")).to_contain_text("DRILL")
    expect(page.locator(".band-silent")).to_contain_text("SILENT")
    expect(page.locator(".call")).to_be_hidden()
    assert page.title().startswith("(1) DRILL Lockdown")


def test_board_has_no_buttons_without_permission_to_act(page: Page, gallery_server: Gallery) -> None:
    page.goto(gallery_server.add_page("viewer", [alert(1)], may_act=False))
    expect(page.locator("#sound")).to_be_visible()
    expect(page.locator(".alert")).to_have_count(1)
    expect(page.locator(".alert button")).to_have_count(0)


def test_keyboard_reaches_every_control_with_a_visible_focus(page: Page, gallery_server: Gallery) -> None:
    page.goto(gallery_server.add_page("keys", [alert(1), alert(2, alert_type="medical")]))
    expect(page.locator("#sound")).to_be_visible()
    reached: list[str] = []
    for _ in range(12):
        page.keyboard.press("Tab")
        label, outline = page.evaluate(
            "() => [document.activeElement.innerText, getComputedStyle(document.activeElement).outlineWidth]"
        )
        if label:
            assert outline == "3px", label
        reached.append(label)
    for control in ("Sound is off: turn on", "Sign out", "Acknowledge", "All clear (1 of 2)", "Call 911"):
        assert control in reached
    assert reached.count("Acknowledge") == 2


def test_animations_are_off_when_reduced_motion_is_preferred(browser: Browser, gallery_server: Gallery) -> None:
    moving = "() => document.getAnimations().filter((one) => one.playState === 'running').length"
    url = gallery_server.add_page("still", [alert(1)])
    for wish, expected in (("reduce", 0), ("no-preference", 1)):
        context = browser.new_context(reduced_motion=wish)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(url)
        expect(page.locator("#sound")).to_be_visible()
        assert page.evaluate(moving) == expected
        context.close()


def test_page_without_javascript_lists_alerts_and_says_that_it_is_static(
    browser: Browser, gallery_server: Gallery
) -> None:
    context = browser.new_context(java_script_enabled=False, timezone_id=ZONE)
    page = context.new_page()
    page.goto(gallery_server.add_page("static", [alert(1)]))
    expect(page.locator(".alert h2")).to_have_text("Lockdown")
    expect(page.locator("#strip")).to_contain_text("does not change by itself")
    expect(page.locator("#strip")).to_be_visible()
    context.close()


def test_page_with_a_broken_script_says_that_it_is_static(browser: Browser, gallery_server: Gallery) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.route("**/board/state.js", lambda route: route.abort())
    page.goto(gallery_server.add_page("broken", [alert(1)]))
    expect(page.locator(".alert h2")).to_have_text("Lockdown")
    expect(page.locator("#strip")).to_be_visible()
    expect(page.locator("#strip")).to_contain_text("does not change by itself")
    context.close()


def test_board_turns_grey_and_names_its_age_after_15_seconds(page: Page, gallery_server: Gallery) -> None:
    """This page has no feed, so its data only grows older."""
    page.clock.install()
    page.goto(gallery_server.add_page("stale", [alert(1)]))
    expect(page.locator("#line")).to_contain_text("Not live")
    expect(page.locator("#board")).not_to_have_attribute("data-stale", "")
    page.clock.run_for(16_000)
    expect(page.locator("#board")).to_have_attribute("data-stale", "")
    expect(page.locator("#line")).to_contain_text("Stale, 1")
    expect(page.locator("#strip")).to_contain_text("This picture is from")
    assert page.title().startswith("Stale: (1) Lockdown")
    assert page.evaluate("getComputedStyle(document.querySelector('.alert')).backgroundColor") == "rgb(61, 66, 72)"
    assert page.evaluate(CONTRAST) == []


def test_stale_board_does_not_claim_that_all_is_quiet(page: Page, gallery_server: Gallery) -> None:
    page.clock.install()
    page.goto(gallery_server.add_page("stale-quiet", []))
    expect(page.locator("#quiet h2")).to_have_text("All quiet.")
    page.clock.run_for(16_000)
    expect(page.locator("#quiet h2")).to_have_text("Not known now.")
    expect(page.locator("#quiet")).to_contain_text("nothing is known since")
    assert page.title().startswith("Stale: ")


def seconds(age: str) -> int:
    minutes, rest = age.split(":")
    return 60 * int(minutes) + int(rest)


def test_alert_age_is_updated(page: Page, gallery_server: Gallery) -> None:
    page.clock.install()
    page.goto(gallery_server.add_page("age", [alert(1, ago=58)]))
    age = page.locator(".alert-clock b")
    expect(age).to_have_text(re.compile(r"\d\d:\d\d"))
    before = seconds(age.inner_text())
    assert before >= 58
    page.clock.run_for(3_000)
    assert seconds(age.inner_text()) >= before + 3


def test_sound_needs_a_click_and_the_board_says_when_it_is_off(page: Page, gallery_server: Gallery) -> None:
    page.goto(gallery_server.add_page("sound", [alert(1)]))
    sound = page.locator("#sound")
    expect(sound).to_have_text("Sound is off: turn on")
    expect(sound).to_have_attribute("data-tone", "warn")
    sound.click()
    expect(sound).to_have_text("Sound on")
    expect(page.locator("#fact-sound")).to_have_text("on")
    sound.click()
    expect(sound).to_have_text("Sound is off: turn on")


TROUBLES = """
async () => {
  const { View } = await import("/static/board/render.js");
  const data = JSON.parse(document.getElementById("board-data").textContent);
  const since = new Date().toISOString();
  const troubles = [
    { device: "ss-7c9ebd12f0a4", kind: "battery_low", detail: null, since },
    { device: null, kind: "disk", detail: "<b>The disk is full</b>", since },
  ];
  new View(data, () => Date.now()).show([], new Map(), { shown: new Map(), ended: [], troubles });
}
"""


def test_troubles_are_listed_in_words(page: Page, gallery_server: Gallery) -> None:
    page.goto(gallery_server.add_page("troubles", []))
    expect(page.locator("#needs")).to_be_hidden()
    page.evaluate(TROUBLES)
    rows = page.locator("#needs li")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Button ss-7c9ebd12f0a4: battery low")
    expect(rows.last).to_contain_text("SafeSignal: <b>The disk is full</b>")
    assert page.evaluate(CONTRAST) == []


RINGS = """
window.tones = 0;
const Own = OscillatorNode;
window.OscillatorNode = function (...given) { window.tones += 1; return new Own(...given); };
"""


@pytest.mark.parametrize(("changes", "rings"), [({}, True), ({"is_drill": True}, True), ({"is_silent": True}, False)])
def test_sound_plays_until_acknowledged_and_never_for_a_silent_alert(
    page: Page, gallery_server: Gallery, changes: Document, rings: bool
) -> None:
    page.clock.install()
    page.add_init_script(RINGS)
    page.goto(gallery_server.add_page("ring", [alert(1) | changes]))
    page.locator("#sound").click()
    expect(page.locator("#sound")).to_have_text("Sound on")
    page.clock.run_for(500)
    first = page.evaluate("window.tones")
    assert first > 0, "enabling sound must play it immediately"
    page.clock.run_for(10_500)
    assert (page.evaluate("window.tones") > first) is rings
