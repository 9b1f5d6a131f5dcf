"""Supervision: troubles of gateways and buttons that stop reporting, and the doctor's checks."""
