"""The world around the gateway, real where it can be: certificates, brokers, a cloud that listens on a port."""
