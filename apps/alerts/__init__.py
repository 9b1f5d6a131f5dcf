"""Alerts: ingest, life cycle, history, live feed."""
