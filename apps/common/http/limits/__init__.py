"""Limits on requests: the size of their bodies, and how many a caller may send per minute."""
