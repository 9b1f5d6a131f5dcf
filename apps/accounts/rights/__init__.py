"""What a principal may do, and where: roles, grants, visits, service tokens."""
