"""Follows every call from its first event to its terminal event."""
