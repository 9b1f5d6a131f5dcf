"""Every endpoint requested by every caller: expected responses come from the role table, never from a list by hand.

To add a route: one `Entry` in `routes/<app>.py` (see `entry.py`), and for a new word in its path a maker in
`things.py`.
"""
