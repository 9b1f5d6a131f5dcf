"""A person's own account: changes, data export and erasure."""
