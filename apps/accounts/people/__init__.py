"""People of an organization: memberships, invitations, day accounts, tables."""
