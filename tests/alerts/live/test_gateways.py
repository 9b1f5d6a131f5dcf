"""`/ws/edge`: the changes made in the cloud that a gateway needs."""

import pytest
from django.utils import timezone

from apps.accounts.models import Role
from apps.common.access import SYSTEM
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.devices import services as devices
from tests.kit.feed import feed_seqs
from tests.kit.listener import listening
from tests.kit.people import Person, PersonFactory
from tests.kit.presses import raise_alert, raise_alerts, raised, send
from tests.kit.school import School
from tests.kit.server import Server

pytestmark = pytest.mark.slow

FROM_NOW = {"type": "resume", "cursor": None}


def test_gateway_receives_changes_made_in_the_cloud(server: Server, school: School, operator: Person) -> None:
    """Starting from a cursor, with the alert_id that the gateway uses."""
    event = raised(school)
    (alert,) = raise_alerts(school, event)
    with listening(server, school.gateway_token, path="/ws/edge") as listener:
        created, ready = listener.say({"type": "resume", "cursor": 0})
        head = feed_seqs(school)[-1]
        assert (created["type"], created["seq"]) == ("alert.created", head)
        assert (ready["type"], ready["seq"]) == ("ready", head)
        assert operator.client.put(f"/api/v1/alerts/{alert}/acknowledge").status_code == 200
        message = listener.next()
        assert (message["type"], message["alert"]["alert_id"]) == ("alert.updated", event["alert_id"])
    with listening(server, school.gateway_token, path="/ws/edge") as listener:
        (again,) = listener.say({"type": "resume", "cursor": None})
        assert again == ready | {"seq": feed_seqs(school)[-1]}


def test_gateway_cursor_ahead_of_the_feed_causes_resync(server: Server, school: School) -> None:
    """The gateway reloads its alerts."""
    with listening(server, school.gateway_token, path="/ws/edge") as listener:
        resync, ready = listener.say({"type": "resume", "cursor": 99})
        assert (resync["type"], resync["seq"]) == ("resync", 0)
        assert ready == resync | {"type": "ready"}
        raise_alert(school)
        cursor = listener.next()["seq"]
    for epoch, expected in ((ready["epoch"], ["ready"]), (str(new_id()), ["resync", "ready"])):
        with listening(server, school.gateway_token, path="/ws/edge") as listener:
            said = listener.say({"type": "resume", "cursor": cursor, "epoch": epoch})
            assert [message["type"] for message in said] == expected


def test_gateway_receives_only_events_of_its_own_buildings(server: Server, school: School) -> None:
    """Also events without a known place; not alerts of the other building, and no troubles."""
    with tenant_scope([school.organization]):
        annex = devices.register_gateway(
            actor=SYSTEM,
            organization_id=school.organization,
            name="Annex",
            public_key="none",
            buildings=[school.other_building],
        )
    other = School(**{**vars(school), "gateway": annex})
    with (
        listening(server, school.gateway_token, path="/ws/edge") as main,
        listening(server, other.gateway_token, path="/ws/edge") as side,
    ):
        main.say(FROM_NOW)
        side.say(FROM_NOW)
        raise_alert(other, device=school.other_device)
        trouble = {"kind": "device.trouble", "device": school.device, "trouble": "tamper"}
        now = timezone.now().isoformat().replace("+00:00", "Z")
        send(school, {"event_id": str(new_id()), "at": now, "since": now, **trouble})
        raise_alert(school)
        placeless = raise_alert(school, device="ss-00nobodys")
        assert side.next()["alert"]["device"]["device_id"] == school.other_device
        assert main.next()["alert"]["device"]["device_id"] == school.device
        assert main.next()["alert"]["id"] == side.next()["alert"]["id"] == str(placeless)


def test_arm_command_reaches_only_the_gateway_of_the_button(server: Server, school: School) -> None:
    """The gateway of the button's building receives it with its end; people are notified that a button is armed."""
    admin = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    with (
        listening(server, school.gateway_token, path="/ws/edge") as gateway,
        listening(server, admin.token) as person,
    ):
        gateway.say(FROM_NOW)
        person.start()
        answer = admin.client.post("/api/v1/drills", data={"device_id": school.device}, content_type="application/json")
        assert answer.status_code == 201
        command = gateway.next()
        assert (
            command
            == {
                "type": "command",
                "seq": feed_seqs(school)[-1],  # Events with a restricted audience come last in their transaction.
                "command": "arm_drill",
                "device": school.device,
                "expires_at": answer.json()["expires_at"][:23] + "Z",
            }
            | {name: command[name] for name in ("organization", "at")}
        )
        assert person.next()["type"] == "drill.armed"
        raise_alert(school)
        assert person.next()["seq"] == feed_seqs(school)[-1]
