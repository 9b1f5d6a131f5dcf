"""/api/v1/auth, and the endpoints for a person's own sign-ins."""
