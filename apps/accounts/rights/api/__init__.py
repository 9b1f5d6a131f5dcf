"""/api/v1: permissions, visits, service tokens."""
