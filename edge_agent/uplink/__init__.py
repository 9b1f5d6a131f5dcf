"""The uplink to the cloud: store first, send until answered, fresh events ahead of the backlog."""
