"""Who is calling: accounts, sign-ins, passwords, second factors, tokens."""
