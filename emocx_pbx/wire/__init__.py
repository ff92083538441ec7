"""How the service's processes communicate: messages, their stream, and the process at its other end."""
