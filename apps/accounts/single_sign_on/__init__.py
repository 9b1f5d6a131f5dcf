"""Signing in by a school's own identity provider (OpenID Connect)."""
