"""Signing in and out, for apps and browsers, and passwords."""
