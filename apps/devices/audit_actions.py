"""Audit actions for writes of devices, gateways and their rules."""

from apps.common import audit


class AuditAction(audit.Action):
    """Names in the audit trail; never change a value."""

    DEVICE_REGISTER = "device.register"
    DEVICE_CLAIMS_LOADED = "device_claims.loaded"
    DEVICES_IMPORTED = "devices.imported"
    GATEWAY_REGISTER = "gateway.register"
    RULE_CREATE = "rule.create"
