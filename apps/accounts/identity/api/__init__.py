"""/api/v1/auth and what one's own sign-ins need."""
