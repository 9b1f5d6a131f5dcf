import msgspec
from django.utils import timezone

from apps.alerts.models import DrillArm
from apps.common.db.scope import tenant_scope
from tests.kit.presses import raised
from tests.matrix.entry import At, But, Entry
from tests.matrix.things import Things

READ_OPEN = "alerts:read|open_alerts:read"
OPEN_ONLY = But(404, "people who answer alarms of a suspended school cannot read closed alerts")
CLOSED_ONLY = But(404, "callers who may read only closed alerts cannot read open ones")


ONLY_PEOPLE = But(403, "only people can arm drills, regardless of the rights of a program")


def device_to_arm(things: Things) -> dict[str, object]:
    """Return the first button, once no button of the school is armed."""
    with tenant_scope([things.school.organization]):
        DrillArm.objects.filter(alert_id=None).update(alert_id="pressed", used_at=timezone.now())
    return {"device_id": things["device"]}


def one_press(things: Things) -> bytes:
    return msgspec.json.encode({"epoch": things["epoch"], "events": [raised(things.school)]})


ENTRIES = [
    Entry(
        "GET",
        "/api/v1/alerts?organization={organization}",
        "alerts:read|open_alerts:read|closed_alerts:read",
        At.LIST,
        rows="alert",
    ),
    Entry("GET", "/api/v1/alerts?organization={organization}&status=open", READ_OPEN, At.LIST, rows="alert"),
    Entry("GET", "/api/v1/alerts/{alert}", READ_OPEN, At.BUILDING, but={"viewer of the school": CLOSED_ONLY}),
    Entry(
        "GET",
        "/api/v1/alerts/{closed_alert}",
        "alerts:read|closed_alerts:read",
        At.BUILDING,
        but=dict.fromkeys(("admin of a susp", "manager of a susp", "operator of a susp"), OPEN_ONLY),
    ),
    Entry("PUT", "/api/v1/alerts/{alert}/acknowledge", "alerts:update", At.BUILDING, changes="alert.acknowledge"),
    Entry(
        "PUT",
        "/api/v1/alerts/{alert}/resolve",
        "alerts:update",
        At.BUILDING,
        body=lambda _: {"reason": "test"},
        changes="alert.resolve",
    ),
    Entry(
        "POST",
        "/api/v1/drills?organization={organization}",
        "drills:create",
        At.BUILDING,
        ok=201,
        body=device_to_arm,
        changes="drill.arm",
        but={"service of the school": ONLY_PEOPLE},
    ),
    Entry("GET", "/api/v1/drills?organization={organization}", READ_OPEN, At.LIST, rows="armed_button"),
    Entry(
        "POST",
        "/api/v1/edge/events",
        at=At.SELF,
        kinds=frozenset({"gateway"}),
        body=one_press,
        changes="alert.raise",
    ),
]
