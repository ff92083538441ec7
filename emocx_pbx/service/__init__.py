"""The running service: the parts it is built from, and how it starts and stops."""
