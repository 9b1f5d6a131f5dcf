"""Buttons and gateways."""
