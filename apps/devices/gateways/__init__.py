"""Gateways: how they authenticate, and the configuration that each of them fetches."""
