"""/api/v1: people, invitations, day accounts, registration."""
