"""Messages from the cloud: a WebSocket that resumes at its cursor, and the signed configuration."""
