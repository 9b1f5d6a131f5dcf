"""The reducer of the board: how messages change its state. It is pure, so it runs in an empty page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.gallery import EPOCH, ORGANIZATION, SOMEBODY, Document, Gallery, alert

pytestmark = pytest.mark.browser

RUN = """
async ({alerts, troubles, epoch, cursor, steps, organization, gravity}) => {
  const s = await import("/static/board/state.js");
  let state = s.initialState({ organization, epoch, cursor, alerts, troubles });
  const news = [];
  const take = (result) => { state = result.state; news.push(...result.news.map((n) => n.kind)); };
  for (const step of steps) {
    if (step.message) take(s.applyMessage(state, step.message));
    if (step.reading) state = s.startReading(state);
    if (step.troubles) state = s.applyTroubles(state, step.troubles);
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

    def run(
        self,
        *steps: Document,
        alerts: list[Document] | None = None,
        troubles: list[Document] | None = None,
        cursor: int = 10,
    ) -> Document:
        result: Document = self.page.evaluate(
            RUN,
            {
                "alerts": alerts or [],
                "troubles": troubles or [],
                "epoch": str(EPOCH),
                "cursor": cursor,
                "steps": list(steps),
                "organization": str(ORGANIZATION),
                "gravity": GRAVITY,
            },
        )
        return result


@pytest.fixture(scope="module")
def lab(browser: Browser, gallery_server: Gallery) -> Iterator[Lab]:
    page = browser.new_page()
    page.goto(gallery_server.add_page("lab", []))
    yield Lab(page)
    page.close()


def alert_message(seq: int, document: Document, kind: str = "alert.updated") -> Document:
    return {
        "message": {
            "type": kind,
            "organization": str(ORGANIZATION),
            "seq": seq,
            "at": document["received_at"],
            "alert": document,
        }
    }


OTHER_EPOCH = "0198f2c4-6a10-4e00-8c41-5d2e8f7affff"


def heads(kind: str, seq: int, epoch: str = str(EPOCH)) -> Document:
    return {"message": {"type": kind, "epoch": epoch, "organizations": {str(ORGANIZATION): seq}}}


def resync(seq: int, epoch: str = str(EPOCH)) -> Document:
    return {"message": {"type": "resync", "epoch": epoch, "organization": str(ORGANIZATION), "seq": seq}}


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


def test_lifecycle_of_an_alert(lab: Lab) -> None:
    once = {"given": 1, "required": 2, "by": [SOMEBODY]}
    result = lab.run(
        alert_message(11, A, "alert.created"),
        alert_message(12, A | {"presses": 2}),
        alert_message(13, A | {"presses": 2} | TAKEN),
        alert_message(14, A | {"presses": 2, "approvals": once} | TAKEN),
        alert_message(15, A | {"presses": 2} | ENDED),
    )
    assert result["news"] == ["created", "pressed_again", "acknowledged", "approved", "closed"]
    assert result["open"] == []
    assert result["cursor"] == 15
    assert result["behind"] is False


def test_repeated_message_changes_nothing(lab: Lab) -> None:
    result = lab.run(
        alert_message(11, A, "alert.created"),
        alert_message(11, A, "alert.created"),
        alert_message(9, B, "alert.created"),
    )
    assert result["news"] == ["created"]
    assert result["open"] == [A["id"]]


def test_older_document_never_replaces_a_newer_one(lab: Lab) -> None:
    """Resolved beats acknowledged, regardless of the order of arrival."""
    result = lab.run(alert_message(11, A | ENDED), alert_message(12, A | TAKEN), alert_message(13, A), alerts=[A])
    assert result["open"] == []
    result = lab.run(alert_message(11, A | TAKEN), alert_message(12, A), alerts=[A])
    assert result["statuses"] == {A["id"]: "acknowledged"}


def test_alerts_of_other_organizations_are_ignored(lab: Lab) -> None:
    foreign = alert_message(11, A, "alert.created")
    message = foreign["message"]
    assert isinstance(message, dict)
    message["organization"] = "0198f2c4-6a10-7500-9c41-5d2e8f7a0599"
    assert lab.run(foreign)["open"] == []


def test_unknown_messages_are_ignored(lab: Lab) -> None:
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
        ([heads("ping", 11), alert_message(11, A)], False),
        ([heads("ping", 11), CHANGED], False),
        ([alert_message(13, A)], False),
        ([alert_message(13, A), heads("ping", 13)], False),
        ([alert_message(13, A), heads("ping", 14)], True),
        ([alert_message(13, A), heads("ping", 12)], True),
        ([heads("ping", 10, OTHER_EPOCH)], True),
        ([heads("ping", 10, OTHER_EPOCH), {"reading": True}, {"list": []}], False),
        ([{"reading": True}, heads("ready", 4), {"list": []}], True),
        ([heads("ping", 12), {"reading": True}, {"list": []}], False),
        ([{"reading": True}, heads("ping", 12), {"list": []}], True),
    ],
)
def test_state_detects_when_it_is_behind(lab: Lab, steps: list[Document], behind: bool) -> None:
    assert lab.run(*steps)["behind"] is behind


def test_resync_reloads_the_list_and_continues(lab: Lab) -> None:
    assert lab.run(resync(20))["behind"] is True
    result = lab.run(resync(20), {"reading": True}, {"list": [B]}, alert_message(25, C, "alert.created"), alerts=[A])
    assert set(result["open"]) == {B["id"], C["id"]}  # type: ignore[call-overload]
    assert result["cursor"] == 25
    assert result["news"] == ["closed", "created", "created"]


@pytest.mark.parametrize(
    "message", [resync(4), resync(20, OTHER_EPOCH), heads("ping", 4), heads("ready", 20, OTHER_EPOCH)]
)
def test_alerts_lost_in_a_restore_stay_until_the_server_reports_them(lab: Lab, message: Document) -> None:
    """The building may still be in alarm. After that, later messages count again, even if they report less."""
    read: list[Document] = [message, {"reading": True}, {"list": [B]}]
    result = lab.run(*read, *read[1:], alerts=[A, B])
    assert set(result["open"]) == {A["id"], B["id"]}  # type: ignore[call-overload]
    assert result["news"] == ["unproven"], "once"
    taken = A | TAKEN
    assert lab.run(*read, alert_message(30, A), alerts=[taken])["statuses"] == {A["id"]: "new", B["id"]: "new"}
    assert lab.run(*read, alert_message(30, A | ENDED), alerts=[taken])["open"] == [B["id"]]
    assert lab.run(alert_message(11, B | ENDED), *read, alerts=[B])["open"] == [B["id"]], "its end was lost"


def test_list_response_keeps_alerts_that_arrived_after_the_request(lab: Lab) -> None:
    result = lab.run(
        {"reading": True},
        alert_message(11, A, "alert.created"),
        alert_message(12, B | ENDED),
        {"list": [B]},
        alerts=[B],
    )
    assert result["open"] == [A["id"]]


def test_alerts_are_sorted_real_first_then_by_gravity_and_time(lab: Lab) -> None:
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


def test_troubles_appear_and_disappear(lab: Lab) -> None:
    def trouble(seq: int, kind: str, said: Document) -> Document:
        return {"message": {"type": kind, "organization": str(ORGANIZATION), "seq": seq, "trouble": said}}

    def of(number: int, kind: str) -> Document:
        return {
            "id": f"0198f2c4-6a10-7700-9c41-{number:012x}",
            "device": "ss-7c9ebd12f0a4",
            "gateway": None,
            "kind": kind,
            "detail": None,
            "since": A["received_at"],
        }

    missing, battery = of(1, "missing"), of(2, "battery_low")
    begins, ends = trouble(11, "device.trouble", missing), trouble(12, "device.recovered", missing)
    assert lab.run(begins)["troubles"] == ["missing"]
    assert lab.run(begins, ends)["troubles"] == []
    assert lab.run(troubles=[missing])["troubles"] == ["missing"], "as the page was rendered"
    assert lab.run(ends, troubles=[missing, battery])["troubles"] == ["battery_low"]
    read: list[Document] = [{"reading": True}, {"troubles": [battery]}]
    assert lab.run(*read, troubles=[missing])["troubles"] == ["battery_low"], "as the list has it"
    assert lab.run({"reading": True}, ends, {"troubles": [missing]}, troubles=[missing])["troubles"] == []
    assert lab.run({"reading": True}, begins, {"troubles": []})["troubles"] == ["missing"]


def armed(device: str, until: str = "2026-09-01T08:16:03.120Z") -> Document:
    at = "2026-09-01T08:15:03.120Z"
    return {"device_id": device, "building_id": None, "room": "Room 12", "armed_at": at, "expires_at": until}


def test_armed_button_is_listed_until_it_is_pressed_or_expires(lab: Lab) -> None:
    def drill_message(seq: int, kind: str, drill: Document) -> Document:
        return {"message": {"type": kind, "organization": str(ORGANIZATION), "seq": seq, "drill": drill}}

    first, over = armed("ss-first"), armed("ss-over", "2026-09-01T08:15:29.999Z")
    steps = [drill_message(11, "drill.armed", first), drill_message(12, "drill.armed", over)]
    assert lab.run(*steps)["armed"] == ["ss-first"]
    assert lab.run(*steps, drill_message(13, "drill.disarmed", first))["armed"] == []
    assert lab.run(*steps, {"armed": [armed("ss-listed")]})["armed"] == ["ss-listed"]
