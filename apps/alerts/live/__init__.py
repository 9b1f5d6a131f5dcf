"""The live side: one hub for a process, and the sockets and streams of people and gateways that stand on it."""
