"""Doors of devices; no rules live here."""
