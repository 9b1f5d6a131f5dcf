"""The database as tenants share it: scopes, row-level security, partitions, ids, time limits."""
