"""/api/v1: identity providers, and signing in with them."""
