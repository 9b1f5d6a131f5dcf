"""Credential checks: password hashes, password strength, and waits after wrong guesses."""
