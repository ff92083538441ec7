"""Who is at the page: access, sessions, passwords, one-time links."""
