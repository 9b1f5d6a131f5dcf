"""Authorization: roles, grants, visits, service tokens."""
