"""Checking what somebody presents: hashes, strength, and waits after wrong guesses."""
