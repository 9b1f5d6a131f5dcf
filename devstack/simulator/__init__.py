"""Simulated buttons: the firmware's behaviour, and the keys and patterns that they are pressed with."""
