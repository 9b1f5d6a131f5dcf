"""Who belongs to an organization: memberships, invitations, day accounts, tables."""
