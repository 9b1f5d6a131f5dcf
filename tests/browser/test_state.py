"""The reducer of the board: what a message does to the picture. Pure, so it runs in an empty page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.gallery import ORGANIZATION, SOMEBODY, Document, Gallery, alert

RUN = """
async ({alerts, cursor, steps, organization, gravity}) => {
  const s = await import("/static/board/state.js");
  let state = s.initialState(organization, cursor, alerts);
  const news = [];
  const take = (result) => { state = result.state; news.push(...result.news.map((n) => n.kind)); };
  for (const step of steps) {
    if (step.message) take(s.applyMessage(state, step.message));
    if (step.reading) state = s.startReading(state);
    if (step.list) take(s.applyList(state, step.list));
    if (step.armed) state = s.applyArmed(state, step.armed);
    if (step.answer) take(s.applyAnswer(state, step.answer));
  }
  return {
    news, cursor: state.cursor, behind: s.isBehind(state),
    open: s.ordered(state, gravity).map((a) => a.id),
    statuses: Object.fromEntries([...state.alerts].map(([id, a]) => [id, a.status])),
    troubles: [...state.troubles.values()].map((t) => t.kind),
    armed: s.armedAt(state, Date.parse("2026-09-01T08:15:30.000Z")).map((one) => one.device_id),
  };
}
"""
GRAVITY = ["lockdown", "fire", "medical", "test"]


class Lab:
    def __init__(self, page: Page) -> None:
        self.page = page

    def run(self, *steps: Document, alerts: list[Document] | None = None, cursor: int = 10) -> Document:
        result: Document = self.page.evaluate(
            RUN,
            {
                "alerts": alerts or [],
                "cursor": cursor,
                "steps": list(steps),
                "organization": str(ORGANIZATION),
                "gravity": GRAVITY,
            },
        )
        return result


@pytest.fixture(scope="module")
def lab(browser: Browser, hall: Gallery) -> Iterator[Lab]:
    page = browser.new_page()
    page.goto(hall.hang("lab", []))
    yield Lab(page)
    page.close()


def told(seq: int, document: Document, kind: str = "alert.updated") -> Document:
    return {
        "message": {
            "type": kind,
            "organization": str(ORGANIZATION),
            "seq": seq,
            "at": document["received_at"],
            "alert": document,
        }
    }


def heads(kind: str, seq: int) -> Document:
    return {"message": {"type": kind, "organizations": {str(ORGANIZATION): seq}}}


CHANGED: Document = {
    "message": {
        "type": "changed",
        "organization": str(ORGANIZATION),
        "seq": 11,
        "at": "2026-09-01T08:16:10.000Z",
        "resource": "places",
        "id": str(ORGANIZATION),
    }
}
A, B, C = alert(1), alert(2), alert(3)
TAKEN = {"status": "acknowledged", "acknowledged_at": A["received_at"], "acknowledged_by": SOMEBODY}
ENDED = TAKEN | {"status": "resolved", "resolved_at": A["received_at"], "resolved_by": SOMEBODY}


def test_life_of_an_alert(lab: Lab) -> None:
    once = {"given": 1, "required": 2, "by": [SOMEBODY]}
    result = lab.run(
        told(11, A, "alert.created"),
        told(12, A | {"presses": 2}),
        told(13, A | {"presses": 2} | TAKEN),
        told(14, A | {"presses": 2, "approvals": once} | TAKEN),
        told(15, A | {"presses": 2} | ENDED),
    )
    assert result["news"] == ["created", "pressed_again", "acknowledged", "approved", "closed"]
    assert result["open"] == []
    assert result["cursor"] == 15
    assert result["behind"] is False


def test_a_repeat_changes_nothing(lab: Lab) -> None:
    result = lab.run(told(11, A, "alert.created"), told(11, A, "alert.created"), told(9, B, "alert.created"))
    assert result["news"] == ["created"]
    assert result["open"] == [A["id"]]


def test_an_older_document_never_wins(lab: Lab) -> None:
    """Resolved beats acknowledged, whatever arrives last."""
    result = lab.run(told(11, A | ENDED), told(12, A | TAKEN), told(13, A), alerts=[A])
    assert result["open"] == []
    result = lab.run(told(11, A | TAKEN), told(12, A), alerts=[A])
    assert result["statuses"] == {A["id"]: "acknowledged"}


def test_other_organizations_are_not_shown(lab: Lab) -> None:
    foreign = told(11, A, "alert.created")
    message = foreign["message"]
    assert isinstance(message, dict)
    message["organization"] = "0198f2c4-6a10-7500-9c41-5d2e8f7a0599"
    assert lab.run(foreign)["open"] == []


def test_what_is_not_understood_is_ignored(lab: Lab) -> None:
    result = lab.run({"message": {"type": "weather.report", "organization": str(ORGANIZATION), "seq": 11}}, alerts=[A])
    assert result["open"] == [A["id"]]
    assert lab.run(CHANGED, alerts=[A])["news"] == []


@pytest.mark.parametrize(
    ("steps", "behind"),
    [
        ([heads("ping", 10)], False),
        ([heads("ping", 12)], True),
        ([heads("ready", 10)], False),
        ([heads("ready", 12)], True),
        ([heads("ready", 12), {"reading": True}, {"list": []}], False),
        ([heads("ping", 11), told(11, A)], False),
        ([heads("ping", 11), CHANGED], False),
        ([told(13, A)], True),
        ([told(13, A), {"reading": True}, {"list": [A]}], False),
        ([heads("ping", 12), {"reading": True}, {"list": []}], False),
        ([{"reading": True}, heads("ping", 12), {"list": []}], True),
    ],
)
def test_knows_when_it_is_behind(lab: Lab, steps: list[Document], behind: bool) -> None:
    assert lab.run(*steps)["behind"] is behind


def test_resync_reads_the_list_and_goes_on(lab: Lab) -> None:
    resync: Document = {"message": {"type": "resync", "organization": str(ORGANIZATION), "seq": 4}}
    assert lab.run(resync)["behind"] is True
    result = lab.run(resync, {"reading": True}, {"list": [B]}, told(5, C, "alert.created"), alerts=[A])
    assert set(result["open"]) == {B["id"], C["id"]}  # type: ignore[call-overload]
    assert result["cursor"] == 5
    assert result["news"] == ["closed", "created", "created"]


def test_the_list_never_takes_away_what_came_after_it_was_asked_for(lab: Lab) -> None:
    result = lab.run({"reading": True}, told(11, A, "alert.created"), told(12, B | ENDED), {"list": [B]}, alerts=[B])
    assert result["open"] == [A["id"]]


def test_order_is_real_before_drill_then_gravest_then_newest(lab: Lab) -> None:
    alerts = [
        alert(1, ago=50, alert_type="medical"),
        alert(2, ago=10, alert_type="lockdown", is_drill=True),
        alert(3, ago=40, alert_type="lockdown"),
        alert(4, ago=20, alert_type="lockdown"),
        alert(5, ago=90, alert_type="something_new"),
        alert(6, ago=1, alert_type="test"),
    ]
    expected = [alerts[index]["id"] for index in (4, 3, 2, 0, 5, 1)]
    assert lab.run(alerts=alerts)["open"] == expected


def test_troubles_come_and_go(lab: Lab) -> None:
    def trouble(seq: int, kind: str) -> Document:
        said = {"device": "ss-7c9ebd12f0a4", "kind": "missing", "detail": None, "since": A["received_at"]}
        return {"message": {"type": kind, "organization": str(ORGANIZATION), "seq": seq, "trouble": said}}

    assert lab.run(trouble(11, "device.trouble"))["troubles"] == ["missing"]
    assert lab.run(trouble(11, "device.trouble"), trouble(12, "device.recovered"))["troubles"] == []


def armed(device: str, until: str = "2026-09-01T08:16:03.120Z") -> Document:
    at = "2026-09-01T08:15:03.120Z"
    return {"device_id": device, "building_id": None, "room": "Room 12", "armed_at": at, "expires_at": until}


def test_armed_button_is_shown_until_it_is_pressed_or_its_time_is_over(lab: Lab) -> None:
    def told_of(seq: int, kind: str, drill: Document) -> Document:
        return {"message": {"type": kind, "organization": str(ORGANIZATION), "seq": seq, "drill": drill}}

    first, over = armed("ss-first"), armed("ss-over", "2026-09-01T08:15:29.999Z")
    steps = [told_of(11, "drill.armed", first), told_of(12, "drill.armed", over)]
    assert lab.run(*steps)["armed"] == ["ss-first"]
    assert lab.run(*steps, told_of(13, "drill.disarmed", first))["armed"] == []
    assert lab.run(*steps, {"armed": [armed("ss-listed")]})["armed"] == ["ss-listed"]
