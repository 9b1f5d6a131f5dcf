"""Audit actions for writes of organizations and places."""

from apps.common import audit


class AuditAction(audit.Action):
    """Names in the audit trail; never change a value."""

    ORGANIZATION_CREATED = "organization.created"
    ORGANIZATION_UPDATED = "organization.updated"
    ORGANIZATION_DELETED = "organization.deleted"
    ORGANIZATION_SUSPENDED = "organization.suspended"
    ORGANIZATION_RESUMED = "organization.resumed"
    ORGANIZATION_UNDELETED = "organization.undeleted"
    ORGANIZATION_SETTINGS_CHANGED = "organization.settings_changed"
    SITE_CREATED = "site.created"
    SITE_UPDATED = "site.updated"
    SITE_DELETED = "site.deleted"
    BUILDING_CREATED = "building.created"
    BUILDING_UPDATED = "building.updated"
    BUILDING_DELETED = "building.deleted"
    FLOOR_CREATED = "floor.created"
    FLOOR_UPDATED = "floor.updated"
    FLOOR_DELETED = "floor.deleted"
    ROOM_CREATED = "room.created"
    ROOM_UPDATED = "room.updated"
    ROOM_DELETED = "room.deleted"
    PLACES_IMPORTED = "places.imported"
    PLATFORM_COMMAND = "platform.command"
