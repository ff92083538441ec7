"""The running service: what it is built of, and how it starts and stops."""
