"""The gateway's rules: pure functions without I/O or a clock. All input is passed in.

`presses.decide` reads the state and returns a decision; `state.State.apply` changes the state accordingly.
"""
