"""Authentication: accounts, sign-ins, passwords, second factors, tokens."""
