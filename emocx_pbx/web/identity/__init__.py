"""Who makes a request: access, sessions, passwords, one-time links."""
