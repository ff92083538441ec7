"""Web nodes: pages and API on hosts of their own, which reach the controllers over NATS."""
