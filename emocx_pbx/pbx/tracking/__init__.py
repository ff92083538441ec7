"""Which calls are going on, from the manager's events."""
