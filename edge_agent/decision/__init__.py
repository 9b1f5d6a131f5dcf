"""The gateway's rules. Pure: no input or output, no clock of their own; what they need is given.

`presses.decide` looks at the state and says what should happen; `state.State.apply` is how the state then changes.
"""
