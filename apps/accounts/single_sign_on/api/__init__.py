"""/api/v1: identity providers, and signing in by them."""
