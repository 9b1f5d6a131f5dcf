"""What one machine provides: folders, ports, users, secrets, certificates, and access to the demo school."""
