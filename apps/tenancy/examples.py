"""Examples for the OpenAPI document: the small school of the examples in `contracts/`."""

from typing import Any, Final

ORGANIZATION_ID: Final = "0198f2c4-6a10-7500-9c41-5d2e8f7a0500"
SITE_ID: Final = "0198f2c4-6a10-7602-9c41-5d2e8f7a0602"
BUILDING_ID: Final = "0198f2c4-6a10-7603-9c41-5d2e8f7a0603"
FLOOR_ID: Final = "0198f2c4-6a10-7604-9c41-5d2e8f7a0604"
ROOM_ID: Final = "0198f2c4-6a10-7020-9c41-5d2e8f7a0020"
TIMES: Final = {"created_at": "2026-08-14T15:02:11.480Z", "updated_at": "2026-08-14T15:02:11.480Z"}

Json = dict[str, Any]

ORGANIZATION_SENT: Final[Json] = {"name": "Lincoln School District", "slug": "lincoln", "metadata": {"erp": "L-17"}}
ORGANIZATION: Final[Json] = {
    "id": ORGANIZATION_ID,
    **ORGANIZATION_SENT,
    "status": "active",
    "suspension_reason": None,
    **TIMES,
}

SITE_SENT: Final[Json] = {
    "name": "Lincoln School",
    "address": "400 Oak Street, Springfield",
    "latitude": 39.78172,
    "longitude": -89.65015,
    "timezone": "America/Chicago",
}
SITE: Final[Json] = {"id": SITE_ID, "organization_id": ORGANIZATION_ID, **SITE_SENT, **TIMES}

BUILDING_SENT: Final[Json] = {"name": "Main building", "address": None, "floor_count": 2}
BUILDING: Final[Json] = {
    "id": BUILDING_ID,
    "organization_id": ORGANIZATION_ID,
    "site_id": SITE_ID,
    **BUILDING_SENT,
    **TIMES,
}

FLOOR_SENT: Final[Json] = {"floor_number": 0, "name": "Ground floor"}
FLOOR: Final[Json] = {"id": FLOOR_ID, "organization_id": ORGANIZATION_ID, "building_id": BUILDING_ID, **FLOOR_SENT}

ROOM_SENT: Final[Json] = {"room_number": "101", "name": "Biology", "capacity": 28, "room_type": "classroom"}
ROOM: Final[Json] = {"id": ROOM_ID, "organization_id": ORGANIZATION_ID, "floor_id": FLOOR_ID, **ROOM_SENT}

SUSPENSION: Final[Json] = {"reason": "The contract ended on 31 July."}

TREE: Final[Json] = {
    "organization_id": ORGANIZATION_ID,
    "sites": [
        {
            "id": SITE_ID,
            **SITE_SENT,
            "buildings": [
                {
                    "id": BUILDING_ID,
                    **BUILDING_SENT,
                    "floors": [{"id": FLOOR_ID, **FLOOR_SENT, "rooms": [{"id": ROOM_ID, **ROOM_SENT}]}],
                }
            ],
        }
    ],
}

SETTINGS_SENT: Final[Json] = {"timezone": "America/Chicago", "escalate_after_seconds": 90}
