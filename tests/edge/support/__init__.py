"""The environment of the gateway: real certificates, real brokers, and a cloud that listens on a port."""
