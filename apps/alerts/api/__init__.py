"""REST endpoints of alerts; no rules live here."""
