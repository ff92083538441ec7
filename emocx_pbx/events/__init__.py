"""What receivers are sent: the events, their payloads and JSON Schemas."""
