"""Every call from its first to its terminal event."""
