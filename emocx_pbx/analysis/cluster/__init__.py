"""Workers on other hosts: what they and the controllers say to each other over NATS."""
