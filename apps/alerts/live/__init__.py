"""The live feed: one hub for each process, and the sockets and streams of people and gateways that use it."""
