"""Second factors: TOTP, passkeys and recovery codes, and the second step of a sign-in."""
