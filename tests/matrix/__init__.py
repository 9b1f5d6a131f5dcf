"""Every door asked by everybody: what each caller is answered comes from the role table, never from a list by hand.

To add a route: one `Entry` in `routes/<app>.py` (see `entry.py`), and for a new word of its path a maker in
`things.py`.
"""
