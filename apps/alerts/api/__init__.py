"""REST doors of alerts; no rules live here."""
