"""HTTP API of devices; no rules live here."""
