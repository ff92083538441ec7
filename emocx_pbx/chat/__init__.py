"""The customer's chat: one query, where it goes and how long it takes, and a callback."""
