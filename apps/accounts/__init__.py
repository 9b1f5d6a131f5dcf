"""People, memberships, roles, tokens."""
