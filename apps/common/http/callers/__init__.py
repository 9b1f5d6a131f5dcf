"""What is known of a caller before any credential: network address, device name, and earlier sign-ins."""
