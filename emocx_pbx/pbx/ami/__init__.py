"""The manager interface: link, messages, gateway."""
