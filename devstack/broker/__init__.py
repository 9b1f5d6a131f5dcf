"""The embedded MQTT broker and its topic permissions."""
