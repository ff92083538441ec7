"""Workers on other hosts, and their messages with the controllers over NATS."""
