"""Ingest: turn gateway events into alerts, timelines, troubles and feed events, once each, in one transaction."""
