"""What processes of the service speak over: messages, their stream, and the process at its other end."""
