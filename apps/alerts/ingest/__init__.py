"""Ingest: what gateways send becomes alerts, their stories, troubles and feed, once each, in one transaction."""
