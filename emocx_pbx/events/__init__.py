"""What receivers are told: the events, their payloads and JSON Schemas."""
